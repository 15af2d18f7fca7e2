"""What SQL from strangers may say: one SELECT over the public tables that cannot grow beyond its limits.

DuckDB keeps queries from writing and from files, and spills or refuses what sorts, joins and groups take. It does not
bound a single value: ``repeat('x', 1e9)`` or ``unnest(range(1e9))`` takes gigabytes before anything can interrupt
it, and then the commits of the same process fail. So the query's syntax tree is read before it runs, and only what is
listed here may stand in it: functions that give back about as much as they take, types that do not blow a value up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec

from fulltape.errors import ConfigError, did_you_mean
from fulltape.stores.base import MAX_QUERY

FUNCTIONS: Final = frozenset(
    """
    + - * / // % ** ^ & | ~ << >> add subtract multiply divide mod fmod fdiv
    ~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape not_ilike_escape
    if nullif greatest least error alias typeof

    abs ceil ceiling floor round round_even trunc sign sqrt cbrt exp ln log log10 log2 pow power pi degrees radians
    sin cos tan asin acos atan atan2 sinh cosh tanh isnan isinf isfinite even gcd lcm factorial random hash

    lower upper lcase ucase left right substr substring length len strlen char_length character_length trim ltrim rtrim
    reverse strpos instr position contains prefix suffix starts_with ends_with ^@ split_part ascii ord
    regexp_matches regexp_full_match regexp_extract jaccard

    now get_current_timestamp current_date today get_current_time current_localtimestamp transaction_timestamp
    age ago date_add date_diff datediff date_sub datesub date_part datepart date_trunc datetrunc time_bucket last_day
    year month day hour minute second millisecond microsecond nanosecond quarter week weekday weekofyear yearweek
    isodow isoyear dayofweek dayofmonth dayofyear dayname monthname epoch epoch_ms epoch_us epoch_ns era julian
    make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz to_timestamp timezone
    to_years to_quarters to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds
    strftime strptime try_strptime

    any_value approx_count_distinct approx_quantile arbitrary arg_max arg_min argmax argmin arg_max_null arg_min_null
    max_by min_by avg mean favg fsum sum kahan_sum sumkahan count count_star count_if countif bool_and bool_or
    bit_and bit_or bit_xor first last max min product geomean geometric_mean weighted_avg wavg
    median mode mad quantile quantile_cont quantile_disc entropy kurtosis kurtosis_pop skewness sem
    stddev stddev_pop stddev_samp var_pop var_samp variance corr covar_pop covar_samp
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy

    row_number rank rank_dense dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value fill
    """.split()  # noqa: SIM905 - words to be read
)
"""The functions that may be called. None builds text or lists longer than its arguments."""

ROW_FUNCTIONS: Final = frozenset({"range", "generate_series"})
"""The functions that may stand after FROM: they give their rows one by one."""

TYPES: Final = frozenset(
    """
    bool boolean tinyint smallint int integer bigint hugeint utinyint usmallint uinteger ubigint int1 int2 int4 int8
    int16 int32 int64 int128 short signed long real float float4 float8 double decimal numeric varchar text string char
    date time timestamp timestamptz timestamp_s timestamp_ms timestamp_us timestamp_ns datetime interval
    """.split()  # noqa: SIM905 - words to be read
)
"""The types that may be cast to. Text from a BIT made from a BLOB is eight times as long, and that can be nested."""

_PATTERNS: Final = dict.fromkeys(("regexp_matches", "regexp_full_match", "regexp_extract"), 1_000) | dict.fromkeys(
    ("strftime", "strptime", "try_strptime"), 100
)
"""How long the pattern of a function may be, which must stand in the query: each row's would be read anew."""

_ARGUMENTS: Final = dict.fromkeys(("max", "min"), 1) | dict.fromkeys(
    ("arg_max", "arg_min", "argmax", "argmin", "max_by", "min_by", "arg_max_null", "arg_min_null"), 2
)
"""How many arguments a function may have that gives a list if it has one more."""

_NOT_OVER: Final = frozenset({"entropy", "approx_quantile", "approx_count_distinct"})
"""Aggregates that hold every value of a frame, or a sketch of it, for every row anew."""

_LONGEST_TEXT: Final = 1_000
_MOST_GROUPINGS: Final = 64

_EXPRESSIONS: Final = frozenset(
    """
    COLUMN_REF CONSTANT FUNCTION WINDOW OPERATOR COMPARISON CONJUNCTION CASE CAST TYPE BETWEEN STAR SUBQUERY
    POSITIONAL_REFERENCE
    """.split()  # noqa: SIM905 - words to be read
)
_NODES: Final = frozenset(
    """
    SELECT_NODE SET_OPERATION_NODE BASE_TABLE JOIN SUBQUERY EMPTY EXPRESSION_LIST TABLE_FUNCTION SHOW_REF
    ORDER_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER DISTINCT_MODIFIER ORDER_DEFAULT ASCENDING DESCENDING
    """.split()  # noqa: SIM905 - words to be read
)
_LISTS: Final = "ARRAY_CONSTRUCTOR"


def check_text(query: str) -> None:
    """Raise ConfigError for a text that is not even to be read."""
    if len(query) > MAX_QUERY:
        raise ConfigError(f"the query has {len(query):,} characters, {MAX_QUERY:,} are allowed")
    if "\0" in query:
        raise ConfigError("the query cannot be read: it has a character of value 0")
    try:
        query.encode()
    except UnicodeEncodeError:
        raise ConfigError("the query cannot be read: it has half a character") from None


def check(text: str, tables: Collection[str]) -> None:
    """Raise ConfigError, saying what is wrong, unless a syntax tree is one SELECT of what may be said over ``tables``.

    The tree is what DuckDB's ``json_serialize_sql`` gives.
    """
    try:
        tree = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(f"the query cannot be read: {error}") from error
    if tree["error"]:
        message = tree["error_message"]
        reason = "one SELECT can be run here" if "Only SELECT" in message else f"the query cannot be read: {message}"
        raise ConfigError(reason)
    if len(tree["statements"]) != 1:
        raise ConfigError(f"one SELECT can be run here, not {len(tree['statements'])} statements")
    nodes = list(_walk(tree["statements"]))
    called = {id(node["function"]) for node, _ in nodes if node.get("type") == "TABLE_FUNCTION"}
    for node, named in nodes:
        _check_node(node, named, tables, follows_from=id(node) in called)


def _walk(root: Any) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Yield every object of a JSON document, and the names that WITH has given to queries where it stands."""
    waiting: list[tuple[Any, frozenset[str]]] = [(root, frozenset())]
    while waiting:
        node, named = waiting.pop()
        if isinstance(node, list):
            waiting.extend((child, named) for child in node)
        elif isinstance(node, dict):
            for entry in (node.get("cte_map") or {}).get("map") or ():
                waiting.append((entry["value"], named))  # it sees the names before its own only
                named |= {entry["key"].lower()}
            yield node, named
            waiting.extend((child, named) for key, child in node.items() if key != "cte_map")


def _check_node(node: dict[str, Any], named: Collection[str], tables: Collection[str], *, follows_from: bool) -> None:
    kind, expression = node.get("type"), node.get("class")
    if expression is not None:
        if expression not in _EXPRESSIONS or kind == _LISTS:
            raise _refusal(str(kind).lower().replace("_", " "))
    elif isinstance(kind, str) and kind not in _NODES:
        raise _refusal(kind.lower().replace("_", " "))
    if "function_name" in node:
        _check_function(node["function_name"].lower(), ROW_FUNCTIONS if follows_from else FUNCTIONS)
        _check_call(node, node["function_name"].lower())
    if expression == "TYPE" and node["type_name"].lower() not in TYPES:
        raise _refusal(f"the type {node['type_name']}")
    if expression == "CONSTANT" and len(node["literal"]["text"]) > _LONGEST_TEXT:
        raise ConfigError(f"a text has {len(node['literal']['text']):,} characters, {_LONGEST_TEXT:,} are allowed")
    if len(node.get("group_sets") or ()) > _MOST_GROUPINGS:
        raise ConfigError(f"CUBE and ROLLUP may make {_MOST_GROUPINGS} groupings, here are {len(node['group_sets']):,}")
    if kind == "BASE_TABLE":
        _check_table(node, named, tables)
    if kind == "SHOW_REF":
        _check_show(node, tables)


def _check_call(node: dict[str, Any], name: str) -> None:
    """Raise ConfigError for arguments and windows with which a function takes far more than without."""
    arguments = [argument["expression"] for argument in node["arguments"]]
    if len(arguments) > _ARGUMENTS.get(name, len(arguments)):
        raise _refusal(f"{name} of several values")
    if name in _PATTERNS and len(arguments) > 1:
        if arguments[1]["class"] != "CONSTANT":
            raise ConfigError(f"the pattern of {name} must be a text in the query")
        if len(arguments[1]["literal"]["text"]) > _PATTERNS[name]:
            raise ConfigError(f"the pattern of {name} may have {_PATTERNS[name]:,} characters")
    if node["class"] == "WINDOW":
        if name in _NOT_OVER:
            raise _refusal(f"{name} over a window")
        if node["exclude_clause"] != "NO_OTHER":
            raise _refusal("EXCLUDE in a window")
        if node["distinct"]:  # it takes all the memory there is, and a commit beside it finds none
            raise _refusal("DISTINCT in a window")


def _check_function(name: str, allowed: Collection[str]) -> None:
    if name not in allowed:
        raise _refusal(f"the function {name!r}{did_you_mean(name, allowed)}")


def _check_table(node: dict[str, Any], named: Collection[str], tables: Collection[str]) -> None:
    path = node["qualified_name"]["path"]
    name = ".".join(path)
    if len(path) == 1 and (name.lower() in named or name.lower() in tables):
        return
    raise ConfigError(f"no table {name!r}{did_you_mean(name, tables)}; there are {', '.join(sorted(tables))}")


def _check_show(node: dict[str, Any], tables: Collection[str]) -> None:
    """Let through DESCRIBE and SUMMARIZE, whose query is in the tree, SHOW TABLES, and SHOW of a table."""
    name = node["table_name"].strip('"').lower()
    if node["query"] is None and node["show_type"] != "SHOW_FROM" and name in {"tables", *tables}:
        return
    if node["query"] is None:
        raise _refusal("SHOW of anything but tables")


def _refusal(what: str) -> ConfigError:
    return ConfigError(f"{what} cannot be used here; docs/sql.md lists what can")
