"""The language of the transformation filter: col("x") > 5 and col("y").contains("a")."""
import ast
import operator

COMPARE = {ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Mod: operator.mod}
METHODS = {
    "contains": lambda v, x: x in v, "startswith": lambda v, x: v.startswith(x), "endswith": lambda v, x: v.endswith(x),
    "starts_with": lambda v, x: v.startswith(x), "ends_with": lambda v, x: v.endswith(x), "lower": lambda v: v.lower(), "upper": lambda v: v.upper(),
    "is_null": lambda v: v is None, "isnull": lambda v: v is None, "length": len,
}


def compile_filter(text):
    """A function of a row that says whether it is kept. Nothing of Python but this is evaluated."""
    if not isinstance(text, str) or len(text) > 10_000:
        raise ValueError("filter: it has to be a text of at most 10,000 characters")
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as err:
        raise ValueError(f"filter: {text!r}: {err.msg}") from None
    _eval(body, None)
    return lambda row: bool(_eval(body, row))


class _Any:
    """Stands for every value while a filter is only checked."""


def _eval(node, row):
    # row None checks the form alone.
    check = row is None
    if isinstance(node, ast.BoolOp):
        values = [_eval(v, row) for v in node.values] if check else (_eval(v, row) for v in node.values)
        return (all if isinstance(node.op, ast.And) else any)(values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
        left, right = _eval(node.left, row), _eval(node.right, row)
        return (left and right) if isinstance(node.op, ast.BitAnd) else (left or right)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        return _call(ARITHMETIC[type(node.op)], check, _eval(node.left, row), _eval(node.right, row))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
        return not _eval(node.operand, row)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _call(operator.neg, check, _eval(node.operand, row))
    if isinstance(node, ast.Compare):
        left, result = _eval(node.left, row), True
        for op, right_node in zip(node.ops, node.comparators):
            if type(op) not in COMPARE:
                break
            right = _eval(right_node, row)
            result = result and _compare(COMPARE[type(op)], check, left, right)
            left = right
        else:
            return result
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str, bool, type(None))):
        return node.value
    if isinstance(node, ast.Call) and not node.keywords:
        args = [_eval(a, row) for a in node.args]
        if isinstance(node.func, ast.Name) and node.func.id == "col" and len(args) == 1 and isinstance(args[0], str):
            if check:
                return _Any()
            if args[0] not in row:
                raise KeyError(f"filter: there is no column {args[0]!r}; there are {', '.join(row)}")
            return row[args[0]]
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            value = _eval(node.func.value, row)
            null_asked = node.func.attr in ("is_null", "isnull")
            return False if value is None and not null_asked else _call(METHODS[node.func.attr], check, value, *args)
    raise ValueError(f"filter: {ast.unparse(node) if hasattr(ast, 'unparse') else node} is not understood")


def _call(function, check, *args):
    if check:
        return _Any()
    return None if args and args[0] is None and function not in METHODS.values() else function(*args)


def _compare(op, check, left, right):
    if check:
        return True
    if (left is None or right is None) and op not in (operator.eq, operator.ne):
        return False
    return op(left, right)
