from sr_explore.recent import Recent


def test_what_was_not_used_for_longest_is_forgotten():
    values: Recent[str, int] = Recent(2)
    values.put("a", 1)
    values.put("b", 2)
    assert values.get("a") == 1
    values.put("c", 3)
    assert (values.get("a"), values.get("b"), values.get("c")) == (1, None, 3)
