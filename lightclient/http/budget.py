"""How many repeats the calls of one client may cause."""

# In fifths of a repeat: whole numbers, so that nothing is lost by rounding.
_REPEAT = 5
_MOST = 35 * _REPEAT


class RetryBudget:
    """A bucket of tokens. Each call adds a fifth of one, and each repeat takes one.

    So a server gets at most 6 requests for 5 calls in the long run, and 35 more at the start or
    after a quiet time, whatever `retries` allows for one call. Without such a bound, repeats
    multiply the load of a server that fails because it has too much to do, and keep it down.

    The share of 20 % is that of Finagle (its blog of 2016-02-08, Retry Budgets). gRPC has such a
    bucket as well (its proposal A6, Throttling Retry Attempts and Hedged RPCs), and so have the AWS
    SDKs in their standard mode. There, the first 500 tokens are enough for 35 repeats at 14 each,
    which is our number too. It takes a stream of four requests through a restart of five seconds
    at the usual pauses, and eleven single calls through all of their three repeats.

    A request of a stream that finds the bucket empty is repeated all the same, since its answer is
    waited for until its deadline, but after pauses of five times the length, which soon are 5 to
    10 s. In an outage of T seconds, a stream of four requests thus sends at most
    4 + 35 + 4 * (5 + T / 5) requests, and those of a server that is overloaded become fewer.

    There is no lock, which an interrupt could leave locked. If an update is lost to that of another
    thread, there is one token too many or too few. After a fork, each process has its own bucket.
    """

    def __init__(self) -> None:
        self._fifths = _MOST

    def add_call(self) -> None:
        """Count a call, without its repeats."""
        self._fifths = min(self._fifths + 1, _MOST)

    def take_repeat(self) -> bool:
        """Take a token for a repeat, and say whether there was one."""
        if self._fifths < _REPEAT:
            return False
        self._fifths -= _REPEAT
        return True
