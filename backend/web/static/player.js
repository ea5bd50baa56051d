// Plays the drawn skeleton of a video: the joints that were found, at the moment of the slider.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const LONGEST_GAP_S = 0.5; // poses further apart are not of one movement

async function start(player) {
  const answer = await fetch(player.dataset.landmarks);
  if (!answer.ok) return;
  const found = await answer.json();
  const drawing = player.querySelector(".skeleton");
  const slider = player.querySelector("input[type=range]");
  const output = player.querySelector("output");
  const button = player.querySelector(".play");
  const now = player.querySelector(".now");
  const duration = Number(player.dataset.duration);
  let until = duration;
  let frame = 0;

  const [left, top, size] = box(found);
  drawing.setAttribute("viewBox", `${left} ${top} ${size} ${size}`);
  const bones = found.bones.map(() => drawing.appendChild(document.createElementNS(SVG, "line")));
  const head = drawing.appendChild(document.createElementNS(SVG, "circle"));
  for (const shape of [...bones, head]) shape.setAttribute("stroke-width", size / 70);
  head.setAttribute("r", size / 24);

  function show(seconds) {
    const points = pointsAt(found, seconds);
    found.bones.forEach(([a, b], index) => {
      const seen = points && Number.isFinite(points[2 * a]) && Number.isFinite(points[2 * b]);
      bones[index].toggleAttribute("hidden", !seen);
      if (!seen) return;
      bones[index].setAttribute("x1", points[2 * a]);
      bones[index].setAttribute("y1", points[2 * a + 1]);
      bones[index].setAttribute("x2", points[2 * b]);
      bones[index].setAttribute("y2", points[2 * b + 1]);
    });
    const hasHead = points && Number.isFinite(points[2 * found.head]);
    head.toggleAttribute("hidden", !hasHead);
    if (hasHead) {
      head.setAttribute("cx", points[2 * found.head]);
      head.setAttribute("cy", points[2 * found.head + 1]);
    }
    const x = (seconds / duration) * 600;
    now.setAttribute("x1", x);
    now.setAttribute("x2", x);
    output.value = `${seconds.toFixed(1)} s`;
    slider.value = seconds;
  }

  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
    button.textContent = "Play";
    button.setAttribute("aria-pressed", "false");
  }

  function play(from, to) {
    stop();
    until = to;
    button.textContent = "Stop";
    button.setAttribute("aria-pressed", "true");
    const begun = performance.now();
    const step = (moment) => {
      const seconds = from + Math.max(0, moment - begun) / 1000;
      show(Math.min(seconds, until));
      if (seconds >= until) stop();
      else frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
  }

  button.addEventListener("click", () => {
    if (frame) return stop();
    const from = Number(slider.value);
    play(from >= duration - 0.1 ? 0 : from, duration);
  });
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  for (const go of document.querySelectorAll(".go")) {
    go.hidden = false;
    go.addEventListener("click", () => {
      player.scrollIntoView();
      play(Number(go.dataset.time), Number(go.dataset.until));
    });
  }
  for (const hidden of player.querySelectorAll("[hidden].controls, [hidden].skeleton")) hidden.removeAttribute("hidden");
  const first = document.querySelector(".go");
  show(first ? Number(first.dataset.time) : (found.times[0] ?? 0));
}

// The square that holds nearly every pose: left, top and side, in pixels of the picture.
function box(found) {
  const [across, down] = [[], []];
  for (const points of found.points) {
    points?.forEach((value, index) => {
      if (value !== null) (index % 2 ? down : across).push(value);
    });
  }
  if (!across.length) return [0, 0, found.height];
  const [left, right] = middle(across);
  const [top, bottom] = middle(down);
  const size = 1.25 * Math.max(right - left, bottom - top, 1);
  return [(left + right - size) / 2, (top + bottom - size) / 2, size];
}

// The bounds of all values but the few lowest and highest, which are of people who walk in and out.
function middle(values) {
  const sorted = Float64Array.from(values).sort();
  const cut = Math.floor(0.02 * (sorted.length - 1));
  return [sorted[cut], sorted[sorted.length - 1 - cut]];
}

// The joints at a moment, between the poses before and after it; null where nobody is seen.
function pointsAt(found, seconds) {
  let after = found.times.findIndex((time) => time >= seconds);
  if (after < 0) after = found.times.length - 1;
  const before = Math.max(0, after - 1);
  const [one, other] = [found.points[before], found.points[after]];
  const gap = found.times[after] - found.times[before];
  if (!one || !other || gap > LONGEST_GAP_S) return Math.abs(found.times[after] - seconds) < 0.05 ? other : null;
  const share = gap > 0 ? Math.min(1, Math.max(0, (seconds - found.times[before]) / gap)) : 1;
  return one.map((value, index) =>
    value === null || other[index] === null ? NaN : value + share * (other[index] - value),
  );
}

for (const player of document.querySelectorAll(".player")) start(player);
