// Small conveniences: filters that apply at once, and parts of a page that renew themselves. Pages work without them.
"use strict";

for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select")) form.requestSubmit();
  });
  form.addEventListener("submit", () => {
    for (const field of form.querySelectorAll("select, input")) field.disabled = field.value === "";
  });
}
// Fields that a submit disabled are usable again when the page is come back to.
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form[data-submit-on-change] :disabled")) field.disabled = false;
});

const live = document.querySelector("[data-live]");
if (live) {
  const renew = async () => {
    const isUsed = live.contains(document.activeElement) || document.hidden;
    if (!isUsed) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = answer.ok && page.querySelector("[data-live]");
        if (fresh && fresh.innerHTML !== live.innerHTML) live.replaceChildren(...fresh.childNodes);
      } catch {
        // The server is away: the page stays as it is until it is back.
      }
    }
    setTimeout(renew, 1000 * Number(live.dataset.live));
  };
  setTimeout(renew, 1000 * Number(live.dataset.live));
}
