// Package pipeline reads the YAML of Azure Machine Learning v2: jobs, components,
// assets, schedules, compute, endpoints. It is pure: files come in through Files, and
// what comes out is a tree with positions, and problems with positions.
//
// It accepts what the azure-ai-ml package accepts and refuses what that refuses;
// where it differs on purpose, oracle_differences_test.go says why. What is read but
// not executed by Cairn is refused by name when a plan is made of it, not here.
package pipeline
