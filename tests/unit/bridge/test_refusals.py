"""What is said of many tasks of which some were not accepted."""

from bridge.errors import BrokerUnavailable, QueuePaused, SomeRefused


def test_tasks_that_may_be_queued_are_not_said_to_be_refused() -> None:
    lost = BrokerUnavailable("the connection broke")
    refused = SomeRefused(["a1", QueuePaused("mail"), lost])
    assert str(refused).startswith("2 of 3 tasks were not accepted, or it is not known whether they were. The first")


def test_tasks_that_never_left_were_not_accepted() -> None:
    refused = SomeRefused(["a1", BrokerUnavailable("it was not reached", undone=True)])
    assert str(refused).startswith("1 of 2 tasks were not accepted. The first is number 1")
