"""What the settings of a group's scaling do in a whole manager; the rules themselves are in tests/unit/fleet."""

from liar import explain


def test_scale_throttle_paces_the_orders(scripted):
    run = scripted(idle_count=4, autoscaler="""\
    [runners.autoscaler.scale_throttle]
      limit = 1
      burst = 2
""")
    run.show()
    run.start()
    run.wait(lambda: sum(map(int, run.told("increased"))) == 4, "all are ordered")
    assert run.told("increased") in (["2", "1", "1"], ["2", "2"])  # a machine that stood still for a second
    assert "order 2, because the policy wants idle capacity; scale_throttle holds 2 back" in run.log.read_text()


def test_what_is_paid_for_is_kept_by_the_providers_word_and_by_the_configurations(scripted):
    run = scripted(idle_time="0s")
    run.script("group_minimum_life_ms", 3600000)
    run.show()
    run.start()
    run.wait_lists(2)  # what appears later is no stranger
    run.show("i-1")
    run.wait(lambda: run.rows("SELECT ready_ms FROM instances WHERE ready_ms > 0"), "the instance is ready")
    run.wait_lists(3)
    assert run.told("decreased") == []
    assert "1 idle instance stays because it is paid for (minimum life 1h0m0s); " \
           "the next idle instance may go in " in explain(run)
    run.kill()
    run.configure(autoscaler='    instance_minimum_life = "1ms"\n')
    run.start()
    run.wait(lambda: run.told("decreased") == ["i-1"], "what the configuration says comes first")


def test_the_place_of_an_instance_that_went_comes_back_late_over_a_restart_too(scripted):
    run = scripted(max_instances=1, idle_count=1)
    run.script("group_recycle_ms", 3600000)
    run.show("stranger")
    run.start()
    run.wait(lambda: "stranger" in run.told("decreased"), "the stranger is removed")
    run.show()
    run.wait(lambda: run.life("stranger") == ["gone"], "it is gone")
    not_back = "(1 place of instances that went is not back yet, the next comes in "
    run.wait(lambda: not_back in explain(run), "its place is not back")
    run.kill()
    run.start()
    run.wait_lists(2)
    run.wait(lambda: not_back in explain(run), "nor for the next manager")
    assert run.told("increased") == []
