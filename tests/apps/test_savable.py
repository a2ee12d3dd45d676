#!/usr/bin/python3
"""What must not happen: that savable.py promises what no layer can keep, or too little.

Every record is small enough to be replayed by hand; the numbers in the comments are.
"""
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

import savable  # noqa: E402


def replay(text, **rules):
    """Replays a text; rules are named with _ for -."""
    wanted = {name.replace("_", "-"): on for name, on in rules.items()}
    assert not set(wanted) - set(savable.RULES)
    record = savable.read_text(text.splitlines(), "test")
    return savable.Replay({**savable.default_rules(), **wanted}).play(record.calls)


class Case(unittest.TestCase):
    def expect(self, text, seen, needed, **rules):
        result = replay(text, **rules)
        self.assertEqual((result.seen, result.needed), (seen, needed))
        return result


# Two sockets on an instance.
TWO = """
    epoll_create = 3
    socket = 4
    socket = 5
"""


class Batching(Case):
    def test_wait_carries_out_all_in_one_call(self):
        # 2 ADDs, 1 flush.
        self.expect(TWO + "epoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nwait 3 -1", 2, 1)

    def test_without_batch_an_operation_is_a_call(self):
        self.expect(TWO + "epoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nwait 3 -1", 2, 2, batch=False)

    def test_wait_with_nothing_pending_costs_nothing(self):
        self.expect(TWO + "epoll_ctl 3 ADD 4\nwait 3 0\nwoke 3\nwait 3 0\nwoke 3", 1, 1)

    def test_wait_leaves_other_instances_alone(self):
        # The wait on 3 carries out one ADD; the other is pending at the end, where nobody looks.
        text = TWO + "epoll_create = 6\nepoll_ctl 3 ADD 4\nepoll_ctl 6 ADD 5\nwait 3 0\nwoke 3"
        result = self.expect(text, 2, 1)
        self.assertEqual(result.remarks["numbers with something pending at the end"], 1)

    def test_waiting_thread_stops_deferring(self):
        # 1: the flush of thread 1's wait. 2: direct. After it has woken, 5 is pending until its
        # next wait: 3.
        text = TWO + """
            1 epoll_ctl 3 ADD 4
            1 wait 3 -1
            2 epoll_ctl 3 MOD 4
            1 woke 3
            2 epoll_ctl 3 ADD 5
            1 wait 3 -1
        """
        result = self.expect(text, 3, 3)
        self.assertEqual(result.direct, {"a thread waits": 1})

    def test_wait_that_does_not_sleep_does_not_stop_it(self):
        # Both are pending when thread 1 waits again.
        text = TWO + "1 wait 3 0\n2 epoll_ctl 3 ADD 4\n2 epoll_ctl 3 ADD 5\n1 woke 3\n1 wait 3 -1"
        self.expect(text, 2, 1, waits=False)

    def test_wait_that_does_not_sleep_stops_it_with_a_second_thread(self):
        # A handler of the one thread there is may defer; another thread may not.
        text = TWO + "wait 3 0\nepoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nwoke 3\nwait 3 0"
        self.expect(text, 2, 1)
        self.expect("thread\n" + text, 2, 2)

    def test_wait_that_was_left_by_a_jump_is_over(self):
        # No `woke` of the first wait; the second one ends it.
        text = TWO + "1 wait 3 -1\n1 wait 3 0\n1 woke 3\n2 epoll_ctl 3 ADD 4\n2 epoll_ctl 3 ADD 5\n"
        self.expect(text + "1 wait 3 0", 2, 1)


class Closing(Case):
    def test_close_carries_out_what_is_pending_for_its_number(self):
        # The thread keeps anything from vanishing at the close. 1: the ADD of 4 at its close.
        # 2: the ADD of 5 at the wait.
        text = TWO + "thread\nepoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nclose 4\nwait 3 0"
        result = self.expect(text, 2, 2)
        self.assertEqual(result.flushes, {"close": 1, "wait": 1})

    def test_close_carries_out_everything_without_own_close(self):
        text = TWO + "thread\nepoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nclose 4\nwait 3 0"
        self.expect(text, 2, 1, own_close=False)

    def test_close_of_a_number_on_two_instances_is_one_call(self):
        text = TWO + "thread\nepoll_create = 6\nepoll_ctl 3 ADD 4\nepoll_ctl 6 ADD 4\nclose 4"
        self.expect(text, 2, 1)
        self.expect(text, 2, 2, batch=False)

    def test_close_range_is_one_call(self):
        text = TWO + "thread\nepoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nclose_range 4 100"
        self.expect(text, 2, 1)

    def test_add_before_the_last_close_vanishes(self):
        result = self.expect(TWO + "epoll_ctl 3 ADD 4\nclose 4\nwait 3 0", 1, 0)
        self.assertEqual(result.vanished, {"at the last close": 1})
        self.expect(TWO + "epoll_ctl 3 ADD 4\nclose 4\nwait 3 0", 1, 1, close=False)

    def test_del_before_the_last_close_vanishes(self):
        # 1: the ADD at the wait. The DEL is not needed.
        text = TWO + "epoll_ctl 3 ADD 4\nwait 3 0\nepoll_ctl 3 DEL 4\nclose 4\nwait 3 0"
        self.expect(text, 2, 1)

    def test_mod_before_the_last_close_vanishes(self):
        # 1: the ADD.
        text = TWO + "epoll_ctl 3 ADD 4\nwait 3 0\nepoll_ctl 3 MOD 4\nclose 4\nwait 3 0"
        self.expect(text, 2, 1)
        self.expect(text, 2, 2, close=False)

    def test_nothing_vanishes_once_there_was_a_thread(self):
        self.expect("thread\n" + TWO + "epoll_ctl 3 ADD 4\nclose 4", 1, 1)
        self.expect("thread\n" + TWO + "epoll_ctl 3 ADD 4\nclose 4", 1, 0, single=False)
        # A call by another thread tells of it, too: who made it was not seen.
        self.expect(TWO + "2 wait 3 0\n2 woke 3\nepoll_ctl 3 ADD 4\nclose 4", 1, 1)

    def test_nothing_vanishes_of_a_file_that_has_a_duplicate(self):
        # The ADD stays in force by number 7.
        self.expect(TWO + "epoll_ctl 3 ADD 4\ndup 4 = 7\nclose 4\nwait 3 0", 1, 1)

    def test_nothing_vanishes_of_a_file_that_was_sent(self):
        self.expect(TWO + "send_rights 4\nepoll_ctl 3 ADD 4\nclose 4", 1, 1)

    def test_nothing_vanishes_of_a_file_that_a_child_has(self):
        # The instance is new, and the close carries the ADD out, for the child has the socket.
        text = TWO + "fork = 100\nepoll_create = 6\nepoll_ctl 6 ADD 5\nclose 5"
        self.expect(text, 1, 1, alone=False)

    def test_close_of_the_instance(self):
        # Nobody can look at it any more, unless a second thread is inside a wait on it.
        text = "epoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nclose 3"
        result = self.expect(TWO + text, 2, 0)
        self.assertEqual(result.vanished, {"at the last close of an instance": 2})
        self.expect(TWO + text, 2, 1, instance=False)
        self.expect(TWO + "thread\n" + text, 2, 1)

    def test_dup_over_a_number_is_a_close(self):
        # 1: the ADD of 4, at the dup2; the file of number 4 is that of 5 now.
        text = TWO + "thread\nepoll_ctl 3 ADD 4\ndup 5 = 4\nepoll_ctl 3 ADD 4\nwait 3 0"
        self.expect(text, 2, 2)

    def test_entry_that_is_left_under_a_number_makes_its_file_uncertain(self):
        # 1: the ADD at the wait. Its entry stays when 4 is closed, for 7 is the same file. 2: that
        # file is not deferred on any more; but number 4 is another file now: 3.
        text = TWO + """
            epoll_ctl 3 ADD 4
            wait 3 0
            dup 4 = 7
            close 4
            accept = 4
            epoll_ctl 3 ADD 7
            epoll_ctl 3 ADD 4
            wait 3 0
        """
        result = self.expect(text, 3, 3)
        self.assertEqual(result.direct, {"target registered under a number that it had": 1})

    def test_number_that_is_used_again_is_another_file(self):
        # Both ADDs hold, although no DEL is in between.
        text = TWO + "epoll_ctl 3 ADD 4\nwait 3 0\nclose 4\naccept = 4\nepoll_ctl 3 ADD 4\nwait 3 0"
        result = self.expect(text, 2, 2)
        self.assertEqual(result.direct, {})

    def test_duplicate_of_an_instance_is_the_same_instance(self):
        # Both are pending on it until the wait; or it is not deferred on at all.
        text = TWO + "dup 3 = 7\nepoll_ctl 3 ADD 4\nepoll_ctl 7 ADD 5\nclose 3\nwait 7 0"
        self.expect(text, 2, 1, duplicate=False)
        result = self.expect(text, 2, 2)
        self.assertEqual(result.direct, {"instance duplicated": 2})

    def test_close_that_was_not_seen_is_told(self):
        text = TWO + "epoll_ctl 3 ADD 4\nsocket = 4\nepoll_ctl 3 ADD 4\nwait 3 0"
        result = self.expect(text, 2, 1)
        self.assertEqual(result.remarks["numbers that were closed unseen"], 1)


class Eliding(Case):
    def test_add_and_del_vanish(self):
        self.expect(TWO + "epoll_ctl 3 ADD 4\nepoll_ctl 3 DEL 4\nwait 3 0", 2, 0)
        self.expect(TWO + "epoll_ctl 3 ADD 4\nepoll_ctl 3 DEL 4\nwait 3 0", 2, 1, add_del=False)

    def test_del_and_add_do_not(self):
        # 1: the first ADD. 2: DEL and ADD, which lose the place in the ready list.
        text = TWO + "epoll_ctl 3 ADD 4\nwait 3 0\nepoll_ctl 3 DEL 4\nepoll_ctl 3 ADD 4\nwait 3 0"
        result = self.expect(text, 3, 2)
        self.assertEqual(result.flushed, 3)
        self.expect(text, 3, 3, batch=False)

    def test_mod_is_merged(self):
        # ADD, MOD, MOD are one ADD.
        text = TWO + "epoll_ctl 3 ADD 4\nepoll_ctl 3 MOD 4\nepoll_ctl 3 MOD 4\nwait 3 0"
        self.expect(text, 3, 1, batch=False)
        self.expect(text, 3, 3, batch=False, mod=False)

    def test_add_that_took_a_mod_vanishes_with_its_del(self):
        text = TWO + "epoll_ctl 3 ADD 4\nepoll_ctl 3 MOD 4\nepoll_ctl 3 DEL 4\nwait 3 0"
        self.expect(text, 3, 0)
        # Without merging, the MOD is in between: three operations.
        self.expect(text, 3, 3, batch=False, mod=False)

    def test_mod_before_a_del_is_left_out(self):
        # 1: the ADD. Then MOD and DEL, or DEL alone.
        text = TWO + "epoll_ctl 3 ADD 4\nwait 3 0\nepoll_ctl 3 MOD 4\nepoll_ctl 3 DEL 4\nwait 3 0"
        self.expect(text, 3, 2, batch=False)
        self.expect(text, 3, 3, batch=False, mod=False)

    def test_del_that_met_its_add_leaves_an_older_del(self):
        # 1: the ADD. 2: the first DEL; the second ADD and DEL are gone.
        text = TWO + """
            epoll_ctl 3 ADD 4
            wait 3 0
            epoll_ctl 3 DEL 4
            epoll_ctl 3 ADD 4
            epoll_ctl 3 DEL 4
            wait 3 0
        """
        self.expect(text, 4, 2, batch=False)


class Direct(Case):
    def reasons(self, text, needed, reasons, **rules):
        self.assertEqual(replay(text, **rules).direct, reasons)
        self.assertEqual(replay(text, **rules).needed, needed)

    def test_unknown_numbers(self):
        self.reasons(TWO + "epoll_ctl 3 ADD 9", 1, {"target unknown": 1})
        self.reasons(TWO + "epoll_ctl 9 ADD 4", 1, {"instance unknown": 1})

    def test_every_creator_makes_a_target(self):
        text = """
            epoll_create = 3
            pipe = 4 5
            socketpair = 6 7
            accept = 8
            eventfd = 9
            timerfd = 10
        """
        adds = "".join(f"epoll_ctl 3 ADD {number}\n" for number in range(4, 11))
        self.expect(text + adds + "wait 3 0", 7, 1)

    def test_exclusive_and_wakeup(self):
        self.reasons(TWO + "epoll_ctl 3 ADD 4 IN|EXCLUSIVE", 1, {"EXCLUSIVE or WAKEUP": 1})
        self.reasons(TWO + "epoll_ctl 3 ADD 4 IN|WAKEUP", 1, {"EXCLUSIVE or WAKEUP": 1})

    def test_calls_that_fail(self):
        # EEXIST and ENOENT are certain. 2 calls, and the flush of the ADD.
        text = TWO + """
            epoll_ctl 3 ADD 4
            epoll_ctl 3 ADD 4 IN = -17
            epoll_ctl 3 DEL 5 = -2
            wait 3 0
        """
        # 1: the ADD of 4 has to be there before the one that fails. 2 and 3: those that fail.
        self.reasons(text, 3, {"fails": 2})
        # They are answered from what is known: the ADD alone, at the wait.
        self.reasons(text, 1, {}, errors=True)

    def test_results_that_were_not_foreseen(self):
        # As if somebody had closed and opened 4 unseen: the second ADD holds.
        text = TWO + "epoll_ctl 3 ADD 4\nwait 3 0\nepoll_ctl 3 ADD 4"
        self.reasons(text, 2, {"not foreseen": 1})
        # An error that nobody can see coming, ENOSPC.
        self.reasons(TWO + "epoll_ctl 3 ADD 4 IN = -28", 1, {"not foreseen": 1})

    def test_nested_instance(self):
        # 1: the nesting carries the ADD of 4 out. 2: the nesting itself. 3: the ADD of 5 to the
        # inner one. The outer one watches an epoll instance, so it defers no more: 4.
        text = TWO + """
            socket = 6
            epoll_create = 7
            epoll_ctl 3 ADD 4
            epoll_ctl 7 ADD 3 IN = 0 2
            epoll_ctl 3 ADD 5
            epoll_ctl 7 ADD 6
            wait 7 0
        """
        reasons = {"target is an instance": 1, "instance nested": 1}
        self.reasons(text, 4, {**reasons, "instance watches other files": 1})
        # Or it goes on, and the fourth call is the flush of its wait.
        self.reasons(text, 4, reasons, foreign=False)

    def test_polled_instance(self):
        # 1: the poll carries the ADD of 4 out. 2: the ADD of 5.
        text = TWO + "epoll_ctl 3 ADD 4\npoll 3\nepoll_ctl 3 ADD 5"
        self.reasons(text, 2, {"instance polled": 1})

    def test_sent_instance(self):
        text = TWO + "epoll_ctl 3 ADD 4\nsend_rights 3\nepoll_ctl 3 ADD 5"
        self.reasons(text, 2, {"instance sent away": 1})

    def test_call_that_is_not_deferred_comes_after_what_is_pending_for_its_number(self):
        # 1: the ADD. 2: the MOD with WAKEUP. The ADD of 5 stays pending: 3.
        text = TWO + "epoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nepoll_ctl 3 MOD 4 WAKEUP\nwait 3 0"
        self.reasons(text, 3, {"EXCLUSIVE or WAKEUP": 1})

    def test_setsockopt_carries_out_what_is_pending_for_its_number(self):
        text = TWO + "epoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nsetsockopt 4\nwait 3 0"
        self.expect(text, 2, 2)
        self.expect(text, 2, 1, setsockopt=False)

    def test_connect_of_a_datagram_socket_does_as_well(self):
        self.expect(TWO + "epoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nconnect 4\nwait 3 0", 2, 2)

    def test_event_that_is_not_in_the_stack(self):
        # 1 and 2: the ADDs, directly. A DEL has no event: 3.
        text = TWO + "epoll_ctl 3 ADD 4 IN = 0 1\nepoll_ctl 3 ADD 5 IN = 0 1\n"
        text += "epoll_ctl 3 DEL 4\nepoll_ctl 3 DEL 5\nwait 3 0"
        self.reasons(text, 3, {"event not in the stack": 2})
        # All four are pending at the wait, and vanish.
        self.reasons(text, 0, {}, stack=False)

    def test_instance_that_watches_other_files(self):
        # 1: the unknown file. 2 and 3: whatever comes later.
        text = TWO + "epoll_ctl 3 ADD 9 IN = 0 2\nepoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5"
        self.reasons(text, 3, {"target unknown": 1, "instance watches other files": 2})
        # An unknown socket or pipe does no harm to others.
        text = TWO + "epoll_ctl 3 ADD 9 IN = 0\nepoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nwait 3 0"
        self.reasons(text, 2, {"target unknown": 1})


class Forking(Case):
    def test_fork_carries_everything_out_in_one_call(self):
        text = TWO + "epoll_create = 6\nepoll_ctl 3 ADD 4\nepoll_ctl 6 ADD 5\nfork = 100"
        self.expect(text, 2, 1)

    def test_instance_of_before_the_fork_is_deferred_on_no_more(self):
        # 1 and 2: directly, for the child has the instance.
        text = TWO + "fork = 100\nepoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\nwait 3 0"
        self.expect(text, 2, 2)
        self.expect(text, 2, 1, fork=False, alone=False)

    def test_instance_of_after_the_fork_is(self):
        # But the child has the sockets, too, and could change their readiness unseen.
        text = TWO + "fork = 100\nepoll_create = 6\nepoll_ctl 6 ADD 4\nepoll_ctl 6 ADD 5\nwait 6 0"
        self.expect(text, 2, 2)
        self.expect(text, 2, 1, alone=False)
        text = TWO + "fork = 100\nepoll_create = 6\npipe = 7 8\n"
        self.expect(text + "epoll_ctl 6 ADD 7\nepoll_ctl 6 ADD 8\nwait 6 0", 2, 1)

    def test_child_knows_what_it_has_of_its_parent(self):
        # The parent: nothing. The child: 1, a socket that its parent has, too; 2, an instance that
        # it has, too. 3: the two that are its own, at the wait on an instance of its own.
        parent = savable.read_text((TWO + "process 10 1\nfork = 20").splitlines(), "parent")
        text = """
            process 20 10
            epoll_create = 6
            accept = 7
            accept = 8
            epoll_ctl 6 ADD 4
            epoll_ctl 3 ADD 7
            epoll_ctl 6 ADD 7
            epoll_ctl 6 ADD 8
            wait 6 0
        """
        child = savable.read_text(text.splitlines(), "child")
        for records in ([parent, child], [child, parent]):
            replays = savable.replay_all(records, savable.default_rules())
            self.assertEqual([replay.needed for replay in replays], [0, 3])
            reasons = {"another process has the target": 1, "instance inherited": 1}
            self.assertEqual(replays[1].direct, reasons)

    def test_registration_survives_the_close_of_a_file_that_the_child_has(self):
        # 4 is closed here only, so the entry stays, but for another file than the new 4.
        text = TWO + """
            fork = 100
            epoll_create = 6
            epoll_ctl 6 ADD 4
            wait 6 0
            close 4
            socket = 4
            epoll_ctl 6 ADD 4
            wait 6 0
        """
        result = self.expect(text, 2, 2)
        self.assertEqual(result.direct, {"another process has the target": 1})


class Reading(unittest.TestCase):
    def tool(self, *arguments):
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, "savable.py"), *arguments],
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    def test_what_it_prints(self):
        # 3 calls: 2 ADDs in one flush, and an ADD that fails. 2 needed, 1 of 3 saved.
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/one", "w") as file:
                file.write("epoll_create = 3\npipe = 4 5\nepoll_ctl 3 ADD 4\nepoll_ctl 3 ADD 5\n")
                file.write("wait 3 0\nepoll_ctl 3 ADD 4 IN|ET = -17\n")
            status, out, err = self.tool(folder)
            self.assertEqual((status, err), (0, ""))
            words = [line.split() for line in out.splitlines()]
            self.assertIn(["calls", "seen", "3", "in", "1", "processes"], words)
            self.assertIn(["calls", "needed", "2"], words)
            self.assertIn(["savable", "33.3", "%"], words)
            status, out, err = self.tool("--without", "batch", folder)
            self.assertIn("savable             0.0 %", out)
            # What --print prints can be read again.
            status, out, err = self.tool("--print", f"{folder}/one")
            self.assertIn("1 epoll_ctl 3 ADD 4 0x80000001 = -17", out)
            with open(f"{folder}/one", "w") as file:
                file.write(out)
            words = [line.split() for line in self.tool(folder)[1].splitlines()]
            self.assertIn(["calls", "needed", "2"], words)

    def test_mistakes_are_told_with_their_place(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("socket = 4\nepol_ctl 3 ADD 4\n")
            file.flush()
            status, out, err = self.tool(file.name)
            self.assertEqual((status, out), (2, ""))
            self.assertIn(f"{file.name}:2: unknown call 'epol_ctl'", err)
        self.assertEqual(self.tool("/nonexistent")[0], 2)
        self.assertEqual(self.tool("--with", "magic", "/dev/null")[0], 2)


if __name__ == "__main__":
    unittest.main()
