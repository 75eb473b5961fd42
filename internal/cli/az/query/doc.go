// Package query is JMESPath as Azure's command line has it: the grammar, functions and
// errors of jmespath.py 1.0.1, over values whose objects keep their order, since the order
// of a multi-select hash decides the columns of a table. No Go implementation keeps it,
// and the one whose parser could be used without its evaluator reads a larger language,
// so that typing mistakes would pass.
//
// Values are nil, bool, int64, float64, json.Number (whole numbers beyond int64), string,
// []any and *Object.
package query
