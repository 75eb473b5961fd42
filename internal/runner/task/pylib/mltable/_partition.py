"""Columns out of the paths of files: /{year:yyyy/MM/dd}/{region}/data.csv."""
import datetime
import re

DATE_PARTS = {"yyyy": r"(?P<{}yyyy>\d{{4}})", "MM": r"(?P<{}MM>\d{{1,2}})", "dd": r"(?P<{}dd>\d{{1,2}})",
              "HH": r"(?P<{}HH>\d{{1,2}})", "mm": r"(?P<{}mm>\d{{1,2}})", "ss": r"(?P<{}ss>\d{{1,2}})"}
ORDER = ("yyyy", "MM", "dd", "HH", "mm", "ss")


def compile_partition(pattern):
    """A function of a path that gives its columns; a path of another form is an error."""
    if not isinstance(pattern, str) or len(pattern) > 2_000:
        raise ValueError("extract_columns_from_partition_format: it has to be a text of at most 2,000 characters")
    out, columns, at = [], [], 0
    for match in re.finditer(r"\{([A-Za-z_]\w*)(?::([^{}]*))?\}", pattern):
        out.append(re.escape(pattern[at:match.start()]).replace(r"\*", "[^/]*"))
        at = match.end()
        name, form = match.group(1), match.group(2)
        mark = f"c{len(columns)}_"
        columns.append((name, mark, bool(form)))
        if form:
            out.append("".join(DATE_PARTS[p].format(mark) if p in DATE_PARTS else re.escape(p)
                               for p in re.findall("yyyy|MM|dd|HH|mm|ss|.", form)))
        else:
            out.append(f"(?P<{mark}>[^/]+)")
    out.append(re.escape(pattern[at:]).replace(r"\*", "[^/]*"))
    form = re.compile("".join(out) + r"(?![^/])")

    def columns_of(path):
        match = form.search(path.replace("\\", "/"))
        if match is None:
            raise ValueError(f"{path} does not have the form {pattern}")
        found = match.groupdict()
        return {name: _date(found, mark) if dated else found[mark] for name, mark, dated in columns}

    return columns_of


def _date(found, mark):
    values = [int(found[mark + p]) if found.get(mark + p) else None for p in ORDER]
    return datetime.datetime(values[0] or 1, values[1] or 1, values[2] or 1, *(v or 0 for v in values[3:]))
