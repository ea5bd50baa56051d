#!/usr/bin/env bash
# mediapipe 0.10.21: the Python Solutions (`Pose().process(picture)`) take no time of a picture, and stamp any two pictures
# a thirtieth of a second apart. Steps that go by time, such as the one-euro filter of landmarks, then count so too: of a
# jump in a video sampled five times a second, 0.2 s later a sixth is followed instead of more than half.
#
# Shown by that filter alone, fed with landmarks that jump from 0.2 to 0.6: through the class that all Solutions are made
# of, and through the same graph with time stamps of its own.
#
# Seen with mediapipe 0.10.21, numpy 1.26.4, protobuf 4.25.8:
#   Solutions:            0.200, 0.269, 0.327, 0.374, 0.413, 0.445
#   stamped 0.2 s apart:  0.200, 0.423, 0.521, 0.565, 0.585, 0.593
#   a thirtieth apart:    0.200, 0.269, 0.327, 0.374, 0.413, 0.445
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mediapipe==0.10.21 numpy==1.26.4 protobuf==4.25.8
cat > "$folder/jump.py" <<'PYTHON'
import numpy as np
from google.protobuf import text_format
from mediapipe.calculators.util import landmarks_smoothing_calculator_pb2  # its options
from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
from mediapipe.framework.formats.landmark_pb2 import NormalizedLandmarkList
from mediapipe.python import packet_creator, packet_getter
from mediapipe.python._framework_bindings.calculator_graph import CalculatorGraph
from mediapipe.python._framework_bindings.image_frame import ImageFormat
from mediapipe.python.solution_base import PacketDataType, SolutionBase

GRAPH = text_format.Parse("""
input_stream: "image"
input_stream: "landmarks"
output_stream: "steadied"
node { calculator: "ImagePropertiesCalculator" input_stream: "IMAGE:image" output_stream: "SIZE:size" }
node {
  calculator: "LandmarksSmoothingCalculator"
  input_stream: "NORM_LANDMARKS:landmarks"
  input_stream: "IMAGE_SIZE:size"
  output_stream: "NORM_FILTERED_LANDMARKS:steadied"
  options { [mediapipe.LandmarksSmoothingCalculatorOptions.ext] {
    one_euro_filter { min_cutoff: 1.0 beta: 0.0 derivate_cutoff: 1.0 disable_value_scaling: true } } }
}
""", CalculatorGraphConfig())
PICTURE = np.zeros((480, 640, 3), np.uint8)
HEIGHTS = [0.2] * 3 + [0.6] * 5  # a jump, five pictures a second


def marks(height):
    found = NormalizedLandmarkList()
    found.landmark.add(x=0.5, y=height, z=0.0)
    return found


def as_solutions_do():
    with SolutionBase(graph_config=GRAPH, outputs=["steadied"],
                      stream_type_hints={"landmarks": PacketDataType.PROTO, "steadied": PacketDataType.PROTO}) as graph:
        return [graph.process({"image": PICTURE, "landmarks": marks(height)}).steadied.landmark[0].y for height in HEIGHTS]


def with_times(step_us):
    graph, found = CalculatorGraph(graph_config=GRAPH), []
    graph.observe_output_stream("steadied", lambda _, packet: found.append(packet_getter.get_proto(packet).landmark[0].y))
    graph.start_run()
    for number, height in enumerate(HEIGHTS, 1):
        image = packet_creator.create_image_frame(PICTURE, image_format=ImageFormat.SRGB)
        graph.add_packet_to_input_stream("image", image.at(number * step_us))
        graph.add_packet_to_input_stream("landmarks", packet_creator.create_proto(marks(height)).at(number * step_us))
        graph.wait_until_idle()
    graph.close()
    return found


def said(heights):
    return ", ".join(f"{height:.3f}" for height in heights[2:])


solutions, real, thirtieths = as_solutions_do(), with_times(200_000), with_times(33_333)
print("Solutions:           ", said(solutions))
print("stamped 0.2 s apart: ", said(real))
print("a thirtieth apart:   ", said(thirtieths))
assert np.allclose(solutions, thirtieths, atol=1e-4)
assert real[3] - 0.2 > 3 * (solutions[3] - 0.2)
PYTHON
"$folder/venv/bin/python" "$folder/jump.py" 2>/dev/null
