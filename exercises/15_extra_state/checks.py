"""Checks of exercise 15: a vocabulary and a counter that travel in the state dict."""

import copy
import pickle

import torch
from torch import nn

from ptquiz.worker import claims

WORDS = ["stream", "event", "kernel", "graph", "张量", "pool", "block", "", "two words", "héllo"]


def _words(draw, count):
    return draw.rng.sample(WORDS, count)


def _table(module):
    """The one parameter of the module."""
    (table,) = module.parameters()
    return table


def _new(submission, capacity, dim):
    return claims.instance(submission.WordEmbedding(capacity, dim), nn.Module, "WordEmbedding(capacity, dim)")


def _filled(submission, draw, capacity=9, dim=3, words=5, steps=None):
    """A module with that many words, some steps behind it, and a table of drawn values."""
    module = _new(submission, capacity, dim)
    with torch.no_grad():
        _table(module).copy_(draw.randn(capacity, dim, dtype=torch.float32))
    for word in _words(draw, words):
        module.add(word)
    for _ in range(draw.integer(2, 6) if steps is None else steps):
        module(list(module.vocabulary)[:1])
    return module


def _state(module):
    """Vocabulary and steps as they are now."""
    return {"vocabulary": dict(module.vocabulary), "steps": module.steps}


def _same_state(module, expected, who, look="", about_steps=""):
    """Claim vocabulary and steps; `look` is about both unless there are words about the steps alone."""
    vocabulary = (f"{who[0]}: vocabulary", f"{who[1]}：vocabulary")
    claims.instance(module.vocabulary, dict, vocabulary, look)
    claims.same(dict(module.vocabulary), expected["vocabulary"], vocabulary, look)
    steps = (f"{who[0]}: steps", f"{who[1]}：steps")
    claims.same(module.steps, expected["steps"], steps, about_steps or look)


def test_new_module(submission, draw):
    """A new module has one table, no words and no steps."""
    for capacity, dim in ((1, 1), (7, 3), (draw.integer(2, 20), draw.integer(2, 9))):
        module = _new(submission, capacity, dim)
        what = f"WordEmbedding({capacity}, {dim})"
        shapes = [tuple(parameter.shape) for parameter in module.parameters()]
        claims.same(shapes, [(capacity, dim)], (f"{what}: shapes of the parameters", f"{what}：各参数的形状"))
        claims.tensor(_table(module), (f"{what}: the table", f"{what}：表"), dtype=torch.float32)
        _same_state(module, {"vocabulary": {}, "steps": 0}, (what, what))
    module.add("only here")
    other = _new(submission, capacity, dim)
    who = ("a second module after add() on the first", "对第一个模块 add() 之后，第二个模块")
    _same_state(other, {"vocabulary": {}, "steps": 0}, who)


def test_lookup(submission, draw):
    """Words are added and looked up, and steps are counted."""
    module, words = _new(submission, 10, 4), _words(draw, 6)
    for row, word in enumerate(words):
        what = (f"add() of word {row + 1}", f"第 {row + 1} 个单词的 add()")
        claims.same(module.add(word), row, what)
        claims.same(module.add(words[0]), 0, ("add() of a known word", "已有单词的 add()"))
    expected = {word: row for row, word in enumerate(words)}
    who = ("after six words", "添加六个单词之后")
    _same_state(module, {"vocabulary": expected, "steps": 0}, who)
    for steps, length in enumerate((1, 3, 0, 8), start=1):
        rows = [draw.integer(0, 5) for _ in range(length)]
        what = (f"forward() of {length} words", f"{length} 个单词的 forward()")
        came = claims.tensor(
            module([words[row] for row in rows]), what, shape=(length, 4), dtype=torch.float32
        )
        claims.close(came, _table(module).detach()[rows], what)
        claims.same(module.steps, steps, (f"steps after {steps} calls", f"调用 {steps} 次之后的 steps"))
    what = ("forward() with an unknown word", "含未知单词的 forward()")
    claims.raises(KeyError, lambda: module([words[0], "never added"]), what)
    who = ("after a call that raised", "抛出异常的调用之后")
    _same_state(module, {"vocabulary": expected, "steps": 4}, who)
    _full_table(submission, words[:3])


def _full_table(submission, words):
    """Claim that known words are known when every row is taken."""
    module = _new(submission, len(words), 2)
    for word in words:
        module.add(word)
    for row, word in enumerate(words):
        what = ("add() of a known word when every row is taken", "每一行都用掉之后，已有单词的 add()")
        claims.same(module.add(word), row, what)
    what = ("forward() when every row is taken", "每一行都用掉之后的 forward()")
    claims.close(claims.tensor(module(words), what), _table(module).detach(), what)


def test_gradient(submission, draw):
    """The table gets its gradient."""
    module = _filled(submission, draw, capacity=6, dim=3, words=4, steps=0)
    words = list(module.vocabulary)
    rows = [0, 2, 2, 3, 0, 2]
    weights = draw.randn(len(rows), 3, dtype=torch.float32)
    came = claims.tensor(
        module([words[row] for row in rows]), ("forward() of six words", "六个单词的 forward()")
    )
    what = ("gradient of the table", "表的梯度")
    claims.that(
        came.requires_grad, what, ("forward() returns a tensor without a graph", "forward() 的结果没有计算图")
    )
    (came,) = torch.autograd.grad((came * weights).sum(), [_table(module)])
    if came.is_sparse:
        came = came.to_dense()
    expected = torch.zeros(6, 3).index_add(0, torch.tensor(rows), weights)
    claims.close(came, expected, what)


def test_round_trip(submission, draw):
    """Table, vocabulary and steps travel in the state dict."""
    module = _filled(submission, draw)
    expected, words = _state(module), list(module.vocabulary)
    fresh = _new(submission, 9, 3)
    fresh.load_state_dict(module.state_dict())
    who = ("fresh.load_state_dict(module.state_dict())",) * 2
    look = (
        "nothing came: state_dict() asks get_extra_state(), never __getstate__ or plain attributes",
        "什么也没有带过来：state_dict() 询问的是 get_extra_state()，而不是 __getstate__ 或普通属性",
    )
    blank = type(fresh.vocabulary) is dict and not fresh.vocabulary
    _same_state(
        fresh,
        expected,
        who,
        look if blank else "",
        look if type(fresh.steps) is int and not fresh.steps else "",
    )
    claims.same(fresh(words), module(words), ("the rows after loading", "加载之后查到的行"))


def test_goes_on(submission, draw):
    """Adding words goes on after loading."""
    module = _filled(submission, draw, words=4, steps=3)
    fresh = _new(submission, 9, 3)
    fresh.load_state_dict(module.state_dict())
    what = ("add() of a new word after loading four", "加载四个单词之后 add() 新单词")
    claims.same(fresh.add("brand new"), 4, what)
    claims.same(
        fresh.add(list(module.vocabulary)[2]), 2, ("add() of a loaded word", "加载进来的单词的 add()")
    )
    fresh(["brand new"])
    claims.same(fresh.steps, 4, ("steps after loading 3 and one call", "加载计数 3 再调用一次之后的 steps"))


def test_replaces(submission, draw):
    """Loading replaces and does not merge."""
    module = _filled(submission, draw, words=3, steps=2)
    expected = _state(module)
    other = _new(submission, 9, 3)
    for word in ("other", "words", "were", "here"):
        other.add(word)
    for _ in range(5):
        other(["were"])
    other.load_state_dict(module.state_dict())
    who = ("after load_state_dict into a module in use", "加载到正在使用的模块之后")
    look = ("what was there before is gone", "原有的内容应当全部消失")
    _same_state(other, expected, who, look)
    claims.same(other.add("one more"), 3, ("the row of the next word", "下一个单词的行号"), look)
    empty = _new(submission, 9, 3)
    other.load_state_dict(empty.state_dict())
    who = ("after loading an empty vocabulary", "加载空词表之后")
    _same_state(other, {"vocabulary": {}, "steps": 0}, who, look)


def test_nested(submission, draw):
    """It works inside a parent module."""

    def parent(left, right):
        deep = nn.Sequential(nn.ModuleDict({"inner": right}), nn.Linear(2, 2))
        return nn.ModuleDict({"left": left, "deep": deep})

    left = _filled(submission, draw, words=2, steps=1)
    right = _filled(submission, draw, capacity=7, dim=2, words=6, steps=4)
    expected = _state(left), _state(right)
    fresh = _new(submission, 9, 3), _new(submission, 7, 2)
    state = parent(left, right).state_dict()
    parent(*fresh).load_state_dict(state)
    for name, module, want in zip(("left", "deep.0.inner"), fresh, expected, strict=True):
        look = ("the state belongs under the module's own prefix", "状态应放在模块自己的前缀之下")
        _same_state(module, want, (f"parent.{name}",) * 2, look)
    for loaded, original in zip(fresh, (left, right), strict=True):
        claims.same(_table(loaded).detach(), _table(original).detach(), ("a nested table", "嵌套模块的表"))


def _leaves(value, path):
    """All that is inside plain containers, dict keys included, with the way to it."""
    if type(value) is dict or (isinstance(value, dict) and type(value).__module__ == "collections"):
        for key, inner in value.items():
            yield from _leaves(key, f"{path} key")
            yield from _leaves(inner, f"{path}[{key!r}]")
    elif type(value) in (list, tuple):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def test_plain_types(submission, draw):
    """The state dict holds plain types."""
    module = _filled(submission, draw, words=5, steps=4)
    words, found = set(module.vocabulary), []
    for path, value in _leaves(dict(module.state_dict()), "state_dict"):
        plain = type(value) in (str, int, float, bool, type(None))
        integer_tensor = torch.is_tensor(value) and not value.is_floating_point() and value.numel() == 1
        table = torch.is_tensor(value) and value.is_floating_point()
        claims.that(
            plain or integer_tensor or table,
            (
                "plain containers, strings and integers in the state dict",
                "state dict 里只有普通容器、字符串和整数",
            ),
            f"{path}: {claims.summary(value)}",
        )
        if plain:
            found.append(value)
    missing = sorted(words - {value for value in found if type(value) is str})
    claims.that(
        not missing,
        (
            "every word is found in the state dict as a string of its own",
            "每个单词在 state dict 里都是独立的字符串",
        ),
        (
            f"{len(missing)} of {len(words)} are not, for example {missing[:1]}",
            f"{len(words)} 个里缺 {len(missing)} 个，例如 {missing[:1]}",
        ),
        ("do not pack the vocabulary into bytes or into one string", "不要把词表打包成字节或拼成一个字符串"),
    )


def test_file(submission, draw, tmp_path):
    """A file of it opens with weights_only=True."""
    module = _filled(submission, draw)
    path = tmp_path / "state.pt"
    torch.save(module.state_dict(), path)
    try:
        loaded = torch.load(path, weights_only=True)
    except Exception as error:
        claims.fail(
            (
                "torch.load(path, weights_only=True) opens the saved state dict",
                "torch.load(path, weights_only=True) 能打开保存的 state dict",
            ),
            f"{type(error).__name__}: {str(error).split('.')[0][:120]}",
            ("plain types only", "只用普通类型"),
        )
    fresh = _new(submission, 9, 3)
    fresh.load_state_dict(loaded)
    _same_state(fresh, _state(module), ("after a round trip through a file", "经文件往返之后"))


def test_snapshot(submission, draw):
    """A state dict is a snapshot."""
    module = _filled(submission, draw, words=3, steps=2)
    expected = _state(module)
    state = module.state_dict()
    module.add("added later")
    module(["added later"])
    fresh = _new(submission, 9, 3)
    fresh.load_state_dict(state)
    look = ("hand out a copy of the vocabulary", "交出去的应是词表的副本")
    about_steps = (
        "the counter in the state dict is the module's own: hand out a plain int or a copy",
        "state dict 里的计数就是模块自己的那一个：应交出普通的 int 或副本",
    )
    who = ("a state dict taken before the module went on", "模块继续变化之前取得的 state dict")
    _same_state(fresh, expected, who, look, about_steps)
    state = module.state_dict()
    expected = _state(module)
    module.load_state_dict(_filled(submission, draw, words=2, steps=7).state_dict())
    fresh.load_state_dict(state)
    who = ("a state dict taken before the module loaded another", "模块加载另一个 state dict 之前取得的那个")
    _same_state(fresh, expected, who, look, about_steps)


def test_loaded_modules_share_nothing(submission, draw):
    """Modules loaded from one state dict share nothing."""
    state = _filled(submission, draw, words=3, steps=2).state_dict()
    one, two = _new(submission, 9, 3), _new(submission, 9, 3)
    one.load_state_dict(state)
    two.load_state_dict(state)
    expected = _state(two)
    one.add("only in one")
    one(["only in one"])
    look = ("copy what set_extra_state receives", "set_extra_state 收到的内容要复制一份")
    _same_state(
        two, expected, ("the second module after the first went on", "第一个模块变化之后，第二个模块"), look
    )
    three = _new(submission, 9, 3)
    three.load_state_dict(state)
    _same_state(three, expected, ("a third one loaded after that", "此后再加载的第三个模块"), look)


def test_copies(submission, draw):
    """pickle and deepcopy keep the state and share nothing."""
    for name, duplicate in (
        ("copy.deepcopy(module)", copy.deepcopy),
        ("pickle.loads(pickle.dumps(module))", lambda module: pickle.loads(pickle.dumps(module))),
    ):
        module = _filled(submission, draw, words=4)
        expected = _state(module)
        twin = duplicate(module)
        _same_state(twin, expected, (name, name))
        claims.same(_table(twin).detach(), _table(module).detach(), (f"{name}: the table", f"{name}：表"))
        twin.add("only in the copy")
        twin(["only in the copy"])
        _same_state(module, expected, (f"the original after a change of {name}", f"改动 {name} 之后的原模块"))
        module.add("only in the original")
        words = set(twin.vocabulary)
        claims.that(
            "only in the original" not in words,
            (f"{name} shares nothing with the original", f"{name} 与原模块不共享"),
            ("a word added to the original appears in the copy", "添加到原模块的单词出现在副本里"),
        )
