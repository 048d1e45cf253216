"""Checks of exercise 6: real processes on this machine, forked, with a deadline and none left behind."""

import os
import random
import re
import signal
import sys
import time
import traceback
from itertools import chain, pairwise

import numpy
import torch
import torch._dynamo  # every optimizer imports it: once here, not once in each rank
import torch.distributed as dist
from torch import nn
from torch.utils.data import TensorDataset

from ptquiz.worker import claims

DEADLINE = 20.0  # seconds for all ranks together
PATIENCE = 5.0  # seconds for a rank that has raised to leave run
PAUSE = 0.2  # seconds by which rank 0 is late at each step of writing the file
EPOCHS, LR = 3, 0.1


class _Model(nn.Module):
    """A linear layer that notes which samples it sees; their number is in the first column."""

    def __init__(self, weight, bias, rank):
        super().__init__()
        self.layer = nn.Linear(3, 2, dtype=torch.float64)
        with torch.no_grad():
            self.layer.weight.copy_(weight)
            self.layer.bias.copy_(bias)
        self.rank, self.seen, self.groups, self.first = rank, [], set(), None
        self.fails = None  # where to note that it raises; None if it does not
        self.slow = False

    def forward(self, inputs):
        if self.first is None:
            self.first = self.layer.weight.detach().clone(), self.layer.bias.detach().clone()
        self.seen.append([int(number) for number in inputs[:, 0]])
        if dist.is_initialized():
            self.groups.add((dist.get_backend(), dist.get_world_size(), dist.get_rank()))
        else:
            self.groups.add(("none", 0, 0))
        if self.fails is not None and len(self.seen) == 2:
            self.fails.touch()
            raise ArithmeticError("a sample that cannot be computed")
        return self.layer(inputs[:, 1:])

    def state_dict(self, *args, **kwargs):
        if self.slow:
            time.sleep(PAUSE)
        return super().state_dict(*args, **kwargs)


def _write_slowly(model):
    """Make this process a slow writer, in every step: who does not wait for it finds no file."""
    model.slow, save = True, torch.save

    def late(event, _):
        if event in ("os.rename", "os.link"):
            time.sleep(PAUSE)

    def save_late(*args, **kwargs):
        time.sleep(PAUSE)
        return save(*args, **kwargs)

    sys.addaudithook(late)
    torch.save = save_late


def _scatter_randomness(rank_seed):
    """Other random numbers in each rank, as processes have that were not forked from one."""
    torch.manual_seed(rank_seed)
    random.seed(rank_seed)
    numpy.random.seed(rank_seed)


class _World:
    """The inputs of one run, and what came of it, rank by rank. In rank `fails` the model raises."""

    def __init__(self, submission, draw, folder, size, steps=2, fails=None):
        self.size, self.folder, self.fails = size, folder, fails
        self.seeds = draw.rng.sample(range(10**6), size)
        self.batch = draw.integer(2, 3)
        count = size * self.batch * steps
        numbers = torch.arange(count, dtype=torch.float64).unsqueeze(1)
        self.inputs = draw.randn(count, 3, dtype=torch.float64)
        self.targets = draw.randn(count, 2, dtype=torch.float64)
        self.dataset = TensorDataset(torch.cat([numbers, self.inputs], 1), self.targets)
        self.start = [
            (draw.randn(2, 3, dtype=torch.float64), draw.randn(2, dtype=torch.float64)) for _ in range(size)
        ]
        for rank in range(size):
            (folder / f"rank{rank}").mkdir(parents=True)
        self._run(submission)

    def path(self, rank):
        return self.folder / f"rank{rank}" / "model.pt"

    def _run(self, submission):
        pids = {}
        try:
            for rank in range(self.size):
                pid = os.fork()
                if pid == 0:
                    self._child(submission, rank)
                pids[pid] = rank
            self.ends = self._wait(dict(pids))
        finally:
            for pid in pids:
                _kill(pid)
        self.reports = [self._report(rank) for rank in range(self.size)]

    def _child(self, submission, rank):
        """What a rank does, in a process of its own; it never returns."""
        try:
            torch.set_num_threads(1)
            _scatter_randomness(self.seeds[rank])
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
            draft = self.folder / f"report{rank}.new"
            torch.save(self._rank(submission, rank), draft)
            draft.replace(self.folder / f"report{rank}.pt")
        finally:
            os._exit(0)

    def _rank(self, submission, rank):
        model = _Model(*self.start[rank], rank)
        if self.fails == rank:
            model.fails = self.folder / "raised"
        if self.size == 2 and rank == 0:
            _write_slowly(model)
        error = ""
        try:
            submission.run(
                rank,
                self.size,
                f"file://{self.folder / 'meeting'}",
                model,
                self.dataset,
                EPOCHS,
                self.batch,
                LR,
                self.path(rank),
            )
        except BaseException as caught:
            error = _described(caught)
        return {
            "error": error,
            "seen": model.seen,
            "first": model.first,
            "groups": sorted(model.groups),
            "weight": model.layer.weight.detach().clone(),
            "bias": model.layer.bias.detach().clone(),
            "left": dist.is_initialized(),
            "file": _opens(self.path(0)),
        }

    def _wait(self, pids):
        """The exit code of each rank, None for one that did not end; stops soon after a rank has failed."""
        ends, deadline = dict.fromkeys(pids.values()), time.monotonic() + DEADLINE
        raised = False
        while pids and time.monotonic() < deadline:
            for pid in list(pids):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    rank = pids.pop(pid)
                    ends[rank] = os.waitstatus_to_exitcode(status)
                    if rank == self.fails:
                        return ends  # what becomes of the others is not asked
                    if ends[rank]:
                        deadline = min(deadline, time.monotonic() + 1.0)
            if not raised and (self.folder / "raised").exists():
                raised, deadline = True, min(deadline, time.monotonic() + PATIENCE)
            time.sleep(0.01)
        return ends

    def _report(self, rank):
        path = self.folder / f"report{rank}.pt"
        return torch.load(path, weights_only=True) if path.exists() else None

    def finished(self):
        """Claim that every rank came to the end without an error."""
        troubles = [self._trouble(rank) for rank in range(self.size)]
        # The others only lose their connection when one fails; say what happened to that one.
        troubles = sorted((t for t in troubles if t), key=lambda t: "onnection" in t[0] or "still" in t[0])
        if troubles:
            claims.fail(
                (f"all {self.size} ranks return from run", f"全部 {self.size} 个 rank 都从 run 返回"),
                troubles[0],
                ("each rank must reach each collective call", "每个 rank 都要走到每一次集合通信"),
            )
        return self

    def _trouble(self, rank):
        report = self.reports[rank]
        if report is not None:
            error = report["error"]
            return (f"rank {rank}: {error}", f"rank {rank}：{error}") if error else None
        code = self.ends[rank]
        if code is None:
            return (
                f"rank {rank} was still running after {DEADLINE:.0f} seconds, or when another had failed",
                f"rank {rank} 在 {DEADLINE:.0f} 秒之后（或其他 rank 失败时）仍在运行",
            )
        return (f"rank {rank} ended early, exit code {code}", f"rank {rank} 提前结束，退出码 {code}")

    def batches(self):
        """The batches of every rank: [rank][step] -> sample numbers."""
        return [report["seen"] for report in self.reports]


def _described(error):
    """The error and the learner's line, in words."""
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if f.name != "_rank" and "site-packages" not in f.filename
    ]
    where = f" (line {frames[0].lineno}: {frames[0].line})" if frames else ""
    text = re.sub(r"^\[[^]]*\]\s*", "", str(error).strip())  # gloo begins with a path of its own source
    return f"{type(error).__name__}: {text[:160]}{where}"


def _opens(path):
    try:
        return bool(torch.load(path, weights_only=True))
    except Exception:
        return False


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


_worlds = {}


def _world(submission, draw, tmp_path, size=2):
    """One run serves several checks."""
    if size not in _worlds:
        _worlds[size] = _World(submission, draw, tmp_path / f"world{size}", size, 3 if size == 2 else 2)
    return _worlds[size]


def test_single_process(submission, draw, tmp_path):
    """A world of one process trains."""
    world = _World(submission, draw, tmp_path / "alone", 1).finished()
    _shares(world)
    _trained(world)


def test_every_rank_ends(submission, draw, tmp_path):
    """Two ranks run to the end."""
    _world(submission, draw, tmp_path).finished()


def test_process_group(submission, draw, tmp_path):
    """The ranks train in one gloo process group."""
    world = _world(submission, draw, tmp_path).finished()
    for rank, report in enumerate(world.reports):
        claims.that(
            report["groups"] == [("gloo", world.size, rank)],
            (
                f"rank {rank} trains in a group (backend, size, rank) ('gloo', {world.size}, {rank})",
                f"rank {rank} 训练时的进程组（后端，大小，rank）为 ('gloo', {world.size}, {rank})",
            ),
            ", ".join(map(str, report["groups"])) or ("the model was never called", "模型从未被调用"),
            "dist.init_process_group",
        )


def _about_shares(batches, size, steps):
    """What to look at when the batches of a rank are not as many or as large as they should be."""
    if not batches:
        return ("train the model that was given, not a copy of it", "要训练传入的模型本身，而不是它的副本")
    if any(batch == before for before, batch in pairwise(batches)):
        return (
            "the same batch came twice in a row: call the model once a step",
            "同一个 batch 连续出现两次：每步只调用一次模型",
        )
    if len(batches) < steps and {len(batch) for batch in batches} == {size}:
        return ("no batch is left out: the sizes divide evenly", "不要丢掉任何 batch：大小正好能整除")
    return (
        "batch_size is that of each rank; the samples are divided among the ranks",
        "batch_size 是每个 rank 的大小；样本由各 rank 分摊",
    )


def _shares(world):
    steps = EPOCHS * len(world.dataset) // (world.size * world.batch)
    for rank, batches in enumerate(world.batches()):
        sizes = [len(batch) for batch in batches]
        what = (
            f"rank {rank} of {world.size}: the sizes of its batches in {EPOCHS} epochs",
            f"{world.size} 个进程中的 rank {rank}：{EPOCHS} 个 epoch 里各 batch 的大小",
        )
        claims.that(
            sizes == [world.batch] * steps,
            (f"{what[0]} are {steps} times {world.batch}", f"{what[1]}是 {steps} 次 {world.batch}"),
            f"{len(sizes)}: {sizes[:8]}" if sizes else ("the model was never called", "模型从未被调用"),
            _about_shares(batches, world.batch, steps),
        )


def test_share_of_each_rank(submission, draw, tmp_path):
    """Each rank takes batch_size samples a step."""
    _shares(_world(submission, draw, tmp_path).finished())


def _epochs(world):
    """The samples of each epoch, rank by rank, in the order in which they were used."""
    per_rank = [[*chain.from_iterable(batches)] for batches in world.batches()]
    share = len(world.dataset) // world.size
    return [[numbers[epoch * share : (epoch + 1) * share] for numbers in per_rank] for epoch in range(EPOCHS)]


def _once(world):
    for epoch, ranks in enumerate(_epochs(world)):
        used = sorted([*chain.from_iterable(ranks)])
        missing = sorted(set(range(len(world.dataset))) - set(used))
        claims.that(
            used == list(range(len(world.dataset))),
            (
                f"epoch {epoch}: each of {len(world.dataset)} samples once over {world.size} ranks",
                f"第 {epoch} 个 epoch：{world.size} 个 rank 合起来，{len(world.dataset)} 个样本各用一次",
            ),
            (f"{len(missing)} never, others more than once", f"{len(missing)} 个没用到，另一些用了多次"),
            (
                "each takes its own part of one order that all agree on; their random states differ",
                "大家先有一个共同的顺序，再各取各的一份；各 rank 的随机数状态并不相同",
            ),
        )


def test_each_sample_once(submission, draw, tmp_path):
    """Each sample is used once an epoch."""
    _once(_world(submission, draw, tmp_path).finished())


def _readings(ranks, batch):
    """The order of an epoch over all ranks: sample by sample, batch by batch, and rank after rank."""
    steps = [[numbers[at : at + batch] for numbers in ranks] for at in range(0, len(ranks[0]), batch)]
    yield [*chain.from_iterable(zip(*ranks, strict=True))]
    yield [*chain.from_iterable(chain.from_iterable(steps))]
    yield [*chain.from_iterable(ranks)]


def _turned(order, other):
    """Whether an order is another one from a different start on, forwards or backwards."""
    count = len(order)
    place = {number: index for index, number in enumerate(other)}
    steps = {(place[b] - place[a]) % count for a, b in pairwise(order)}
    return steps in ({1}, {count - 1})


def _not_turned(world):
    """Claim that no order is the dataset's own, or an earlier epoch's, begun elsewhere or reversed."""
    orders = [[*_readings(ranks, world.batch)] for ranks in _epochs(world)]
    natural = [range(len(world.dataset))] * 3
    for epoch, readings in enumerate(orders):
        for name, others in (
            (("the dataset's own order", "数据集本来的顺序"), natural),
            *(((f"the order of epoch {e}", f"第 {e} 个 epoch 的顺序"), orders[e]) for e in range(epoch)),
        ):
            claims.that(
                not any(map(_turned, readings, others)),
                (f"epoch {epoch} has a random order of its own", f"第 {epoch} 个 epoch 有自己的随机顺序"),
                (
                    f"{name[0]}, at most begun elsewhere or reversed: {readings[0]}",
                    f"就是{name[1]}，至多换了起点或倒了过来：{readings[0]}",
                ),
                ("draw a new permutation each epoch", "每个 epoch 都重新随机排列"),
            )


def _new_orders(world):
    orders = _epochs(world)
    for epoch in range(1, EPOCHS):
        claims.that(
            all(orders[epoch] != orders[earlier] for earlier in range(epoch)),
            (f"epoch {epoch} has an order of its own", f"第 {epoch} 个 epoch 有自己的顺序"),
            ("the same order as an epoch before", "与之前某个 epoch 的顺序相同"),
            "set_epoch",
        )
    _not_turned(world)


def test_new_order(submission, draw, tmp_path):
    """Each epoch has a new order."""
    _new_orders(_world(submission, draw, tmp_path).finished())


def _agree(world):
    for rank in range(1, world.size):
        for name in ("weight", "bias"):
            claims.close(
                world.reports[rank][name],
                world.reports[0][name],
                (
                    f"layer.{name} on rank {rank}, compared with rank 0",
                    f"rank {rank} 上的 layer.{name}（与 rank 0 相比）",
                ),
                look=(
                    "all start from rank 0's weights and apply the same averaged gradients",
                    "大家都从 rank 0 的权重出发，使用同样的平均梯度",
                ),
            )


def test_same_parameters(submission, draw, tmp_path):
    """All ranks end with the same parameters."""
    _agree(_world(submission, draw, tmp_path).finished())


def _started(world):
    """Claim that every rank computes its first gradient with rank 0's weights."""
    for rank, report in enumerate(world.reports):
        for name, came, expected in zip(("weight", "bias"), report["first"], world.start[0], strict=True):
            what = (
                f"rank {rank} of {world.size}, first step: layer.{name}",
                f"{world.size} 个进程中的 rank {rank}，第一步：layer.{name}",
            )
            look = ("all start from rank 0's weights", "大家都从 rank 0 的权重出发")
            claims.close(came, expected, what, rtol=1e-9, look=look)


def _trained(world):
    """Compare with SGD computed by hand on the union of the batches, from rank 0's weights."""
    _started(world)
    weight, bias = (value.clone() for value in world.start[0])
    for step in zip(*world.batches(), strict=True):
        numbers = [*chain.from_iterable(step)]
        inputs, targets = world.inputs[numbers], world.targets[numbers]
        slope = (inputs @ weight.T + bias - targets) * (2.0 / targets.numel())
        weight, bias = weight - LR * slope.T @ inputs, bias - LR * slope.sum(0)
    if world.size == 1:
        look = (
            "plain SGD: lr as given, no momentum, no weight decay, gradients cleared before each step",
            "普通 SGD：lr 用给定的值，没有动量和权重衰减，每步之前清零梯度",
        )
    else:
        look = (
            "the average of the ranks' gradients, not their sum, at every step; lr as given",
            "每一步都用各 rank 梯度的平均，不是总和；lr 用给定的值",
        )
    for name, expected in (("weight", weight), ("bias", bias)):
        what = (
            f"world of {world.size}, after {EPOCHS} epochs: layer.{name}",
            f"{world.size} 个 rank，训练 {EPOCHS} 个 epoch 之后：layer.{name}",
        )
        claims.close(world.reports[0][name], expected, what, rtol=1e-9, look=look)


def test_equals_one_process(submission, draw, tmp_path):
    """The result is that of one process on the whole batch."""
    _trained(_world(submission, draw, tmp_path).finished())


def test_checkpoint(submission, draw, tmp_path):
    """The file holds the plain model's state."""
    world = _world(submission, draw, tmp_path).finished()
    path = world.path(0)
    claims.that(path.is_file(), ("rank 0 has written path", "rank 0 写出了 path"), ("no file", "没有文件"))
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:
        claims.fail(
            (
                "torch.load(path, weights_only=True) opens the file",
                "torch.load(path, weights_only=True) 能打开文件",
            ),
            f"{type(error).__name__}: {str(error).split('.')[0][:120]}",
            ("save the state_dict, not the model", "保存 state_dict，而不是模型"),
        )
    claims.instance(state, dict, ("what the file holds", "文件的内容"))
    look = ("the wrapper puts `module.` before every name", "外层包装会给每个名字加上 `module.`")
    claims.same(
        sorted(state), ["layer.bias", "layer.weight"], ("the names in the file", "文件里的键名"), look
    )
    for name in ("weight", "bias"):
        what = (f"layer.{name} in the file", f"文件里的 layer.{name}")
        claims.same(state[f"layer.{name}"], world.reports[0][name], what)


def test_only_rank_zero_writes(submission, draw, tmp_path):
    """Only rank 0 writes."""
    world = _world(submission, draw, tmp_path).finished()
    for rank in range(1, world.size):
        claims.that(
            not world.path(rank).exists(),
            (f"rank {rank} writes nothing to path", f"rank {rank} 不往 path 写任何东西"),
            ("it wrote a file", "它写了文件"),
        )


def test_file_is_complete(submission, draw, tmp_path):
    """When run returns, the file is complete on every rank."""
    world = _world(submission, draw, tmp_path).finished()
    for rank, report in enumerate(world.reports):
        claims.that(
            report["file"],
            (
                f"rank {rank} can open the file as soon as its run() has returned",
                f"rank {rank} 的 run() 一返回就能打开文件",
            ),
            ("rank 0 had not finished it", "rank 0 还没有写完"),
            ("who must wait for whom, and when?", "谁要等谁？在什么时候等？"),
        )


def test_group_is_destroyed(submission, draw, tmp_path):
    """The process group is destroyed."""
    world = _world(submission, draw, tmp_path).finished()
    for rank, report in enumerate(world.reports):
        claims.that(
            not report["left"],
            (
                f"rank {rank}: dist.is_initialized() is False after run()",
                f"rank {rank}：run() 之后 dist.is_initialized() 为 False",
            ),
            "True",
            "dist.destroy_process_group()",
        )


def _left_after_error(world, rank):
    """Claim that the model's error has left run on that rank, and the group is gone."""
    report, who = world.reports[rank], f"rank {rank} of {world.size}"
    if report is None and world.ends[rank] is None and world.size > 1:
        claims.fail(
            (
                f"{who}: an error raised by the model leaves run() at once",
                f"{world.size} 个进程中的 rank {rank}：模型抛出的异常立即从 run() 传出",
            ),
            (f"run() was still waiting {PATIENCE:.0f} seconds later", f"{PATIENCE:.0f} 秒后 run() 仍在等待"),
            (
                "the other ranks are still training and come to no barrier: clean up without them",
                "其他 rank 还在训练，不会来到这个 barrier：清理时不能等它们",
            ),
        )
    claims.that(
        report is not None and report["error"].startswith("ArithmeticError"),
        (
            f"{who}: an ArithmeticError raised by the model leaves run()",
            f"{world.size} 个进程中的 rank {rank}：模型抛出的 ArithmeticError 从 run() 传出",
        ),
        (report["error"] if report else "") or ("nothing was raised", "没有抛出异常"),
    )
    claims.that(
        not report["left"],
        (
            f"{who}: dist.is_initialized() is False after run() has raised",
            f"{world.size} 个进程中的 rank {rank}：run() 抛出异常之后 dist.is_initialized() 为 False",
        ),
        "True",
        "try / finally",
    )


def test_destroyed_after_an_error(submission, draw, tmp_path):
    """It is destroyed after an error too."""
    _left_after_error(_World(submission, draw, tmp_path / "alone", 1, fails=0), 0)
    _left_after_error(_World(submission, draw, tmp_path / "one of two", 2, fails=1), 1)


def test_three_ranks(submission, draw, tmp_path):
    """The same with three ranks."""
    world = _world(submission, draw, tmp_path, 3).finished()
    for claim in (_shares, _once, _new_orders, _agree, _trained):
        claim(world)
