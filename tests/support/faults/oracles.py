"""The judgements of the fault matrix, each a small function: evidence -> what is wrong, in words.

O1 losses, O2 weights, O3 commit log, O4 ledger, O5 nothing stale applied, O6 in time, O7 nothing left over, O8 always a
checkpoint, O9 one cause for each death, O10 bounded memory, O11 only the victim restarts.
"""

import collections
import dataclasses
import re

from commit_log import decided_steps

ANY = "any"  # number of deaths
MEMORY_SLACK_KIB = 96 * 1024


@dataclasses.dataclass
class Expected:
    """What a cell promises: by default that of E0, only the victim restarts and nothing is lost."""

    victims: dict = dataclasses.field(default_factory=dict)  # actor -> pattern of the cause of its death
    deaths: object = None        # of all victims together; None = each dies once, ANY = that is not foretold
    replayed: int = 1            # steps at most that are done again
    detected_within: float = 1.0   # seconds
    recovered_within: float = 1.0  # seconds from the fault to the next committed step
    heads: int = 1               # how many led the job, one after the other
    nodes: object = 1            # how often a node joined, or ANY
    taken_kib: int = 0           # memory that the fault itself takes
    resumed: bool = False        # whether the job was cut off and then resumed by a user
    differences: bool = False    # whether a repeated step may come out different, as the fault was in the numbers
    stale: int = 0               # messages of dead incarnations that must have been rejected, at least

    def death_count(self):
        return len(self.victims) if self.deaths is None else self.deaths


@dataclasses.dataclass
class Evidence:
    """What is known of a run after its end."""

    run: object        # program.Run
    golden: object     # golden.Golden
    watch: object      # job_watch.JobWatch
    expected: Expected
    fired: list        # when the faults fired, seconds of the monotonic clock
    digest: str        # of the newest checkpoint
    console: str       # what `troupe events` shows
    pages: list        # what `troupe ps --all -o json` shows

    def downs(self):
        return self.run.events("actor_down")

    def post_mortems(self):
        """Whom a post-mortem is of, as "stage/r0.s1#1"."""
        return {file.stem.replace("_", "/") for file in (self.run.folder / "post-mortem").glob("*.json")}

    def later_heads(self):
        return [*self.run.events("job_started")[1:], *self.run.events("head_returned")]

    def ups_after_death(self):
        return [line for line in self.run.events("actor_up") if line["incarnation"] > 1]


def o1_losses(evidence):
    now, golden = evidence.run.figures(), evidence.golden.figures
    wrong = [step for step in golden if now.get(step) != golden[step]]
    return [f"loss or norm of steps {wrong[:8]} differ from the undisturbed run"] if wrong else []


def o2_weights(evidence):
    same = evidence.digest == evidence.golden.digest
    return [] if same else [f"digest {evidence.digest or 'missing'} instead of {evidence.golden.digest}"]


def o3_commits(evidence):
    wanted = list(range(1, len(evidence.golden.figures) + 1))
    steps = [line["step"] for line in evidence.run.lines("metrics.jsonl")]
    wrong = [] if steps == wanted else [f"recorded steps are not each of 1 to {wanted[-1]} once: {steps}"]
    try:
        decided = decided_steps(evidence.run.folder / "commits.log")
    except (OSError, ValueError) as error:
        return [*wrong, str(error)]
    if evidence.expected.differences:  # what came out different when it was done again was decided again
        decided = [step for at, step in enumerate(decided) if at == 0 or step != decided[at - 1]]
    # A job that was cut off and resumed is another, with a log that begins at its checkpoint.
    if decided == wanted[-len(decided):] and (evidence.expected.resumed or len(decided) == len(wanted)):
        return wrong
    return [*wrong, f"decided steps are not each of 1 to {wanted[-1]} once: {decided}"]


def o4_samples(evidence):
    def used(lines):
        return collections.Counter((line["epoch"], sample) for line in lines for sample in line["samples"])

    ledger = evidence.run.lines("ledger.jsonl")
    if used(ledger) != used(evidence.golden.ledger):
        return ["samples were lost or used twice"]
    return [] if ledger == evidence.golden.ledger else ["samples were used in other steps"]


def o5_stale(evidence):
    events = [line for name in ("step_divergence", "replay_differs") for line in evidence.run.events(name)]
    wrong = [f"step {line['step']} came out different when it was repeated: {line['cause']}" for line in events]
    wrong = [] if evidence.expected.differences else wrong
    rejected = sum(page["stale_rejected"] for page in evidence.pages)
    if rejected < evidence.expected.stale:
        wrong.append(f"{rejected} messages of dead incarnations were rejected, expected {evidence.expected.stale} or more")
    return wrong


def detected_after(evidence):
    """Seconds from the first fault to the first word about it, or None."""
    words = ("actor_down", "node_lost", "link_lost", "checkpoint_failed", "checkpoint_refused", "head_down", "head_returned")
    times = [line["monotonic"] for line in evidence.run.lines("events.jsonl") if line["event"] in words]
    later = [at for at in times if evidence.fired and at >= evidence.fired[0]]
    return min(later) - evidence.fired[0] if later else None


def recovered_after(evidence):
    """Seconds from a fault to the first step that is committed after everybody is up again: of the slowest, or None."""
    ready = [line["monotonic"] for line in [*evidence.ups_after_death(), *evidence.later_heads()]]
    commits = evidence.watch.commit_times()
    took = []
    for fired in evidence.fired:
        begin = next((at for at in sorted(ready) if at > fired), fired)
        took += [at - fired for at in commits if at > begin][:1]
    return max(took, default=None)


def o6_times(evidence):
    wrong = []
    for what, seconds, bound in (("detected", detected_after(evidence), evidence.expected.detected_within),
                                 ("recovered", recovered_after(evidence), evidence.expected.recovered_within)):
        if seconds is not None and seconds > bound:
            wrong.append(f"{what} after {seconds * 1000:.0f} ms instead of {bound * 1000:.0f}")
    return wrong


def o8_checkpoints(evidence):
    moments = evidence.watch.without_checkpoint
    return [f"{len(moments)} times there was no whole checkpoint any more"] if moments else []


def o9_causes(evidence):
    wrong = []
    downs = evidence.downs()
    if evidence.expected.deaths != ANY and len(downs) != evidence.expected.death_count():
        names = [(line["actor"], line["incarnation"], line["cause"]) for line in downs]
        wrong.append(f"{len(downs)} deaths instead of {evidence.expected.death_count()}: {names}")
    for line in downs:
        pattern = evidence.expected.victims.get(line["actor"])
        if pattern is not None and not re.search(pattern, line["cause"]):
            wrong.append(f"the cause of {line['actor']}#{line['incarnation']} is \"{line['cause']}\", not {pattern}")
        shown = f"{line['actor']}#{line['incarnation']}"
        if not any(shown in row and line["cause"][:60] in row for row in evidence.console.splitlines()):
            wrong.append(f"the console does not show why {shown} died")
        if line["kind"] == "faulted" and shown not in evidence.post_mortems():
            wrong.append(f"there is no post-mortem of {shown}")
    return wrong


def o10_memory(evidence):
    bound = evidence.golden.peak_kib + MEMORY_SLACK_KIB + evidence.expected.taken_kib
    wrong = [f"an actor took {evidence.watch.peak_kib} KiB, {bound} allowed"] if evidence.watch.peak_kib > bound else []
    return wrong + [f"{page['queued']} messages wait for {page['actor']} after the end" for page in evidence.pages if page["queued"]]


def restarted(evidence):
    return sorted({line["actor"] for line in evidence.ups_after_death()})


def node_joins(evidence):
    """How often a node came that was not there: one that a head adopts when it returns was."""
    there, joins = set(), 0
    for line in evidence.run.lines("events.jsonl"):
        if line["event"] == "node_lost":
            there = {(node, endpoint) for node, endpoint in there if node != line["node"]}
        if line["event"] == "node_joined" and (line["node"], line["endpoint"]) not in there:
            there.add((line["node"], line["endpoint"]))
            joins += 1
    return joins


def o11_untouched(evidence):
    wrong = [f"{actor} was restarted too" for actor in restarted(evidence) if actor not in evidence.expected.victims]
    heads, nodes = 1 + len(evidence.later_heads()), node_joins(evidence)
    if heads != evidence.expected.heads:
        wrong.append(f"{heads} heads instead of {evidence.expected.heads}")
    if evidence.expected.nodes not in (ANY, nodes):
        wrong.append(f"nodes joined {nodes} times instead of {evidence.expected.nodes}")
    return wrong


def steps_replayed(evidence):
    """How many committed steps were done again by anybody, at most in one recovery."""
    back = [line["from_step"] - line["step"] for line in evidence.run.events("rollback")]
    back += [line["step"] - line["from_step"] for line in evidence.run.events("recovered")]
    return max(back, default=0)


def replay(evidence):
    again = steps_replayed(evidence)
    if evidence.downs() and not evidence.run.events("recovered") and not evidence.later_heads():
        return ["no event says how the job went on after a death"]
    return [] if again <= evidence.expected.replayed else [f"{again} steps were replayed, {evidence.expected.replayed} allowed"]


def steps_lost(evidence):
    """Steps that were seen committed and are gone or different now."""
    now = evidence.run.figures()
    return sum(now.get(step) != figures for step, figures in evidence.watch.figures.items())


def nothing_lost(evidence):
    lost = steps_lost(evidence)
    if lost <= 1 and evidence.expected.differences:
        return []  # the step whose numbers the fault had spoiled
    return [f"{lost} committed steps were lost"] if lost else []


ORACLES = {"O1": o1_losses, "O2": o2_weights, "O3": o3_commits, "O4": o4_samples, "O5": o5_stale, "O6": o6_times,
           "O8": o8_checkpoints, "O9": o9_causes, "O10": o10_memory, "O11": o11_untouched, "replay": replay,
           "lost": nothing_lost}


def judged(evidence):
    """Every complaint as (oracle, words). O7 is judged by the test's own end, when nothing may be left."""
    return [(name, words) for name, oracle in ORACLES.items() for words in oracle(evidence)]
