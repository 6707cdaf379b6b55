import pytest

from sr_explore.pruning_requests import PruningRequest


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (PruningRequest(0.0, reconstruct=True), "nothing pruned"),
        (PruningRequest(0.5), "50% pruned"),
        (PruningRequest(0.0, kernels=1), "1 kernel 1×1"),
        (PruningRequest(0.0, drop_biases=True, reconstruct=True), "no biases, reconstructed"),
        (
            PruningRequest(0.25, reconstruct=True, kernels=3, drop_biases=True),
            "25% pruned, 3 kernels 1×1, no biases, reconstructed",
        ),
    ],
)
def test_a_request_in_words(request_: PruningRequest, words: str):
    assert request_.words == words
    assert request_.cuts == (words != "nothing pruned")
