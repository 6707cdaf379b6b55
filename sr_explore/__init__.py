"""See and use what structural surgery does to an efficient super-resolution network.

    photo ─ images ──────┐                                   ┌► plots ─┬► notebooks
                         ├► pipeline.run ─► PipelineRun ─────┤         ├► app.py
    weights ─ zoo ───────┘        │        (records, images) └► tables └► cli
                                  ▼
          model ─► stage ─► model′ ─► stage ─► model″      each step: check + measure

The rooms, from the bottom up:

    errors, records, resize, devices, state_files    one sentence for people; results; MATLAB's bicubic; hardware; files
    images, surgery, conv_algebra                    photos; replacing layers; identities on kernels
    networks                                         RFDN (row, branches, merged), RLFN; rebuilding from widths
    stages, analysis, training                       changes to a network; checks and measurements; the training loop
    zoo                                              networks by name or file
    pipeline, runtime, calibration, onnx_export      stages in a row, checked; running fast; the shipped patches; ONNX
    explore, recipes, cli                            the front doors
    plots                                            records to figures

    >>> from sr_explore import explore
    >>> explore.run_stages("rfdn-x4-branched", "merge-branches,concat-to-conv").record.steps[0].equivalence.equal
    True
"""

import os

# Threads that spin while they wait make everything several times slower on shared cores. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from sr_explore.errors import UserError

__version__ = "0.1.0"
__all__ = ["UserError", "__version__"]
