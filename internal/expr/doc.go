// Package expr is the ${{ }} language of workflows: lexer, parser, values,
// evaluator. It is pure: what an expression may see comes in through [Env].
//
// Parse once and evaluate often: a [Node] is immutable and safe for use by
// several goroutines at once.
package expr
