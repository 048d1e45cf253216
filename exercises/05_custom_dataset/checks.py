"""Hidden checks of exercise 5."""

import copy
import itertools
import pickle
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from ptquiz.worker import claims


def _kinds(draw):
    """One of each kind of data, and what it is called."""
    n = draw.integer(3, 6)
    shapes = [(0,), (2, 3), (), (4,), (1, 1, 2), (3,)][:n]
    return [
        (("tensors", "张量"), [draw.randn(*s) for s in shapes]),
        (("tuples", "元组"), [(draw.randn(2), i, f"name {i}") for i in range(n)]),
        (("dicts", "字典"), [{"x": draw.randn(i + 1), i: ([draw.randn(2)], 0.5, True)} for i in range(n)]),
        (("numbers", "数字"), tuple((draw.rng.random(), draw.integer(0, 9), True, 1.0, 0, False)[:n])),
        (("rows", "行"), draw.randn(n, 3)),
    ]


def _spoil(sample):
    """Change everything that can be changed, at any depth; gives back what it was given."""
    if isinstance(sample, torch.Tensor):
        sample.zero_()
    elif isinstance(sample, dict | list | tuple):
        for inner in list(sample.values() if isinstance(sample, dict) else sample):
            _spoil(inner)
        if not isinstance(sample, tuple):
            sample.clear()
    return sample


class _Counting:
    """A transform that counts its calls and is different each time; `truth` is its value as a bool."""

    def __init__(self, truth=True):
        self.calls = 0
        self.truth = truth

    def __bool__(self):
        return self.truth

    def __call__(self, sample):
        self.calls += 1
        return (self.calls, sample)


def _equal(dataset, data, what, look=""):
    """Claim that all samples of `dataset` are those of `data`."""
    claims.same(len(dataset), len(data), (f"{what[0]}, len(ds)", f"{what[1]}，len(ds)"))
    for i in range(len(data)):
        claims.same(dataset[i], data[i], (f"{what[0]}, ds[{i}]", f"{what[1]}，ds[{i}]"), look)


def test_length_and_index(submission, draw):
    """Length, negative index, IndexError past the end."""
    for kind, data in [
        *_kinds(draw),
        (("no samples", "空数据"), []),
        (("no rows", "零行"), draw.randn(0, 2)),
    ]:
        kept = copy.deepcopy(data)
        dataset = submission.CustomDataset(data)
        submission.CustomDataset([1.5])
        n = len(kept)
        what = (f"with {kind[0]}", f"数据为{kind[1]}时")
        _equal(dataset, kept, what)
        for i in range(-n, 0):
            claims.same(dataset[i], kept[i], (f"{what[0]}, ds[{i}]", f"{what[1]}，ds[{i}]"))
        for i in [n, n + 3, -n - 1, -2 * n - 1]:
            claims.raises(
                IndexError,
                lambda i=i, dataset=dataset: dataset[i],
                (f"{what[0]} and len(ds) == {n}, ds[{i}]", f"{what[1]}，len(ds) == {n}，ds[{i}]"),
                ("iteration stops at the first IndexError", "遍历靠 IndexError 结束"),
            )
        came = sum(1 for _ in itertools.islice(iter(dataset), n + 5))
        claims.that(
            came == n,
            (f"iteration gives {n} samples", f"遍历得到 {n} 个样本"),
            (f"{came} or more", f"至少 {came} 个"),
        )


def test_transform(submission, draw):
    """The transform runs once at each access."""
    for kind, data in _kinds(draw):
        kept, transform = copy.deepcopy(data), _Counting()
        dataset = submission.CustomDataset(data, transform)
        len(dataset)
        claims.that(
            transform.calls == 0,
            ("no call of the transform before the first access", "首次访问之前不调用 transform"),
            (f"{transform.calls} calls", f"调用了 {transform.calls} 次"),
        )
        for call, i in enumerate([0, 1, 0, -1], start=1):
            what = (f"with {kind[0]}, access {call}", f"数据为{kind[1]}，第 {call} 次访问")
            came = dataset[i]
            claims.that(
                transform.calls == call,
                (
                    f"{what[0]}: calls of the transform so far: {call}",
                    f"{what[1]}：到此为止 transform 被调用 {call} 次",
                ),
                (f"{transform.calls}", f"{transform.calls} 次"),
                ("transform(sample), called once at each access", "每次访问都调用一次 transform(sample)"),
            )
            claims.same(
                came,
                (call, kept[i]),
                (
                    f"{what[0]}: ds[{i}], which the transform made a pair (number of the call, sample),",
                    f"{what[1]}：ds[{i}]，即 transform 返回的（第几次调用，样本），",
                ),
                ("ds[i] is what the transform returned", "ds[i] 就是 transform 的返回值"),
            )


class _Empty(nn.Sequential):
    """Has length 0, hence is falsy; turns the sign."""

    def forward(self, x):
        return -x


def test_falsy_transform(submission, draw):
    """A falsy transform runs too."""
    data = [draw.randn(3), draw.randn(2)]
    look = (
        "ask whether the transform is None, not whether it is true",
        "判断 transform 是否为 None，而不是是否为真",
    )
    for transform, expected in [(_Counting(truth=False), (1, data[0].clone())), (_Empty(), -data[0])]:
        dataset = submission.CustomDataset(copy.deepcopy(data), transform=transform)
        claims.same(
            dataset[0], expected, ("with a falsy transform, ds[0]", "transform 布尔值为假时，ds[0]"), look
        )


def test_stored_samples(submission, draw):
    """The stored samples never change."""
    for kind, data in _kinds(draw):
        kept = copy.deepcopy(data)
        dataset = submission.CustomDataset(data)
        first = dataset[0]
        claims.same(first, kept[0], "ds[0]")
        for i in range(len(kept)):
            _spoil(dataset[i])
        _equal(
            dataset,
            kept,
            (
                f"with {kind[0]} that the caller changed after ds[i]",
                f"数据为{kind[1]}，调用者改动了 ds[i] 的结果之后",
            ),
            ("what is handed out must share nothing with what is stored", "交出去的和存着的不能共享任何东西"),
        )
        seen = []

        def in_place(sample, seen=seen):
            seen.append(copy.deepcopy(sample))
            return _spoil(sample)

        spoiling = submission.CustomDataset(copy.deepcopy(kept), in_place)
        for i in [0, 1, 0, 1]:
            spoiling[i]
            claims.same(
                seen[-1],
                kept[i],
                (
                    f"with {kind[0]} and a transform that works in place, its input",
                    f"数据为{kind[1]}、transform 原地修改时，它的输入",
                ),
                (
                    "what is handed out must share nothing with what is stored",
                    "交出去的和存着的不能共享任何东西",
                ),
            )


def _open(path):
    claims.that(path.is_file(), ("save writes the file", "save 写出文件"), ("there is no file", "没有文件"))
    try:
        torch.load(path, weights_only=True)
    except Exception as error:
        claims.fail(
            (
                "the file opens with torch.load(path, weights_only=True)",
                "文件能用 torch.load(path, weights_only=True) 打开",
            ),
            f"{type(error).__name__}: {str(error)[:40]} …",
            ("save the data, not an object and no function", "保存数据，不要保存对象或函数"),
        )


def test_file(submission, draw, tmp_path):
    """Save and load."""
    path = tmp_path / "data.pt"
    for i, (kind, data) in enumerate([*_kinds(draw), (("no samples", "空数据"), [])]):
        kept, transform = copy.deepcopy(data), _Counting()
        dataset = submission.CustomDataset(data, transform if i % 2 else None)
        dataset.save(str(path) if i % 2 else path)
        _open(path)
        what = (f"a data set of {kind[0]}, loaded", f"加载出来的数据集（{kind[1]}）")
        loaded = submission.CustomDataset.load(path if i % 2 else str(path))
        claims.that(
            isinstance(loaded, submission.CustomDataset),
            ("load returns a CustomDataset", "load 返回 CustomDataset"),
            claims.summary(loaded),
        )
        _equal(loaded, kept, (f"{what[0]} without a transform", f"{what[1]}，没有 transform"))
        again = submission.CustomDataset.load(Path(path), transform=_Counting(truth=False))
        for j in range(len(kept)):
            claims.same(
                again[j],
                (j + 1, kept[j]),
                (f"{what[0]} with a new transform: ds[{j}]", f"{what[1]}，带新的 transform：ds[{j}]"),
            )

    _replaced(submission, draw, path)


def _replaced(submission, draw, path):
    """Claim that a loaded data set lives on its own: its file can be replaced, by itself too."""
    data = [draw.randn(3) for _ in range(4)]
    submission.CustomDataset(copy.deepcopy(data)).save(path)
    loaded = submission.CustomDataset.load(path)
    submission.CustomDataset([draw.randn(3) for _ in range(4)]).save(path)
    look = (
        "load reads the whole file; what it gives must not depend on the file any more (mmap=True does)",
        "load 要读完整个文件，之后不能再依赖这个文件（mmap=True 就会依赖）",
    )
    what = ("loaded before another data set was saved to its path", "加载之后，同一路径又保存了别的数据集")
    _equal(loaded, data, what, look)
    loaded.save(path)
    what = (
        "a loaded data set that was saved to its own path, loaded again",
        "加载后存回原路径、再次加载的数据集",
    )
    _equal(submission.CustomDataset.load(path), data, what)


def test_pickle(submission, draw):
    """A pickle carries data and transform."""
    look = ("a lambda, a local function or a lock on the instance?", "实例上是否有 lambda、局部函数或锁？")
    for transform in [None, nn.Tanh(), nn.Sequential()]:
        data = [draw.randn(3), draw.randn(2, 2)]
        dataset = submission.CustomDataset(copy.deepcopy(data), transform)
        try:
            copied = pickle.loads(pickle.dumps(dataset))
        except Exception as error:
            name = type(transform).__name__
            claims.fail(
                (
                    f"a data set with the transform {name} can be pickled",
                    f"带 transform {name} 的数据集能被 pickle",
                ),
                f"{type(error).__name__}: {str(error)[:90]}",
                look,
            )
        _equal(
            copied,
            [x if transform is None else transform(x) for x in data],
            ("after a pickle round trip", "pickle 往返之后"),
            ("data and transform both travel in the pickle", "数据和 transform 都要随 pickle 走"),
        )


def test_workers(submission, draw):
    """The same samples from spawned workers."""
    data = [(draw.randn(i + 1), i) for i in range(draw.integer(4, 7))]
    dataset = submission.CustomDataset([x for x, _ in data], nn.Tanh())
    loader = DataLoader(
        dataset, batch_size=2, num_workers=2, collate_fn=list, multiprocessing_context="spawn", timeout=50
    )
    try:
        came = [x.clone() for batch in loader for x in batch]
    except Exception as error:
        last = str(error).strip().splitlines()[-1:]
        claims.fail(
            ("two spawned workers give the samples", "两个 spawn 出来的 worker 给出样本"),
            f"{type(error).__name__}: {''.join(last)[:120]}",
            ("a new process knows only what the pickle carries", "新进程只知道 pickle 带来的东西"),
        )
    expected = [torch.tanh(x) for x, _ in data]
    claims.same(
        len(came), len(expected), ("number of samples from two spawned workers", "两个 worker 给出的样本数")
    )
    for i, (c, e) in enumerate(zip(came, expected, strict=True)):
        claims.close(c, e, (f"from spawned workers, sample {i}", f"来自 worker 的第 {i} 个样本"))
