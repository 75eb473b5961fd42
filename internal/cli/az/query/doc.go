// Package query is JMESPath as Azure's command line has it: the grammar, functions and
// errors of jmespath.py 1.0.1, over values whose objects keep their order, since the order
// of a multi-select hash decides the columns of a table. No Go implementation keeps it,
// and the one whose parser could be used without its evaluator reads a larger language,
// so that typing mistakes would pass.
//
// Values are nil, bool, int64, float64, json.Number (whole numbers beyond int64), string,
// []any and *Object.
//
// It differs from the original where that shows how Python works inside: an &expression
// that a query leaves in its result is an error in every format, merge takes objects alone
// and no lists of pairs, to_number reads ASCII digits, half of a surrogate pair becomes
// U+FFFD, and NaN and Infinity are no literals. Sums of floats and the text of an ordered
// object are those of Python 3.11.
package query
