"""The program that programs/python.py plays: runs Python's tests and writes down their outcomes.

    unittest_outcomes.py FILE SHARE SHARES NAME...

Of the classes of tests every one of SHARES processes takes its share. A line of FILE is
`start TEST` or `OUTCOME TEST`. The tests print what they like; that is not read. Resources such as
the network are off, as in `python3 -m test` without -u.
"""
import sys
import unittest

from test import support

support.use_resources = []


class Outcomes(unittest.TestResult):
    """The last word on a test is its outcome; a subtest's comes before that of its test."""

    def __init__(self, file):
        super().__init__()
        self.file = file
        self.told = {}

    def tell(self, word, test):
        # The first is the one that counts: an error in tearDown after a failure is the failure's.
        name = test.id()
        if word != "start" and self.told.setdefault(name, word) != word:
            return
        self.file.write(f"{word} {name}\n")
        self.file.flush()

    def startTest(self, test):
        super().startTest(test)
        self.tell("start", test)

    def addSuccess(self, test):
        self.tell("ok", test)

    def addError(self, test, error):
        super().addError(test, error)
        self.tell(f"ERROR:{error[0].__name__}", test)
        print(self.errors[-1][1], flush=True)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.tell("FAIL", test)
        print(self.failures[-1][1], flush=True)

    def addSkip(self, test, reason):
        self.tell("skipped", test)

    def addExpectedFailure(self, test, error):
        self.tell("expected-failure", test)

    def addUnexpectedSuccess(self, test):
        self.tell("unexpected-success", test)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            failed = issubclass(error[0], test.failureException)
            (self.addFailure if failed else self.addError)(test, error)


def tests_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def main():
    path, share, shares, *names = sys.argv[1:]
    tests = list(tests_of(unittest.defaultTestLoader.loadTestsFromNames(names)))
    classes = list(dict.fromkeys(type(test) for test in tests))
    mine = classes[int(share) :: int(shares)]
    with open(path, "a") as file:
        unittest.TestSuite(test for test in tests if type(test) in mine).run(Outcomes(file))


if __name__ == "__main__":
    main()
