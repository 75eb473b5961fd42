package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// checkCycles finds nodes that wait for each other: for each knot of them one cycle, the
// shortest through the node that stands first in the file.
func (b *builder) checkCycles(s *pipelineScope, after map[string][]string) {
	for _, knot := range knots(s.names, after) {
		cycle := shortestCycle(knot, after)
		n := s.nodes[cycle[0]]
		b.fail(n.Pos, n.JSONPath, Value{}, "pipeline.cycle", "", "%s: nodes wait for each other: %s", n.JSONPath, pathText(cycle))
	}
}

// pathText is a cycle in words; of a long one its beginning.
func pathText(cycle []string) string {
	const most = 12
	shown := cycle
	if len(cycle) > most {
		shown = append(slices.Clone(cycle[:most]), fmt.Sprintf("… (%d more)", len(cycle)-most))
	}
	return strings.Join(shown, " → ") + " → " + cycle[0]
}

// knots are the strongly connected components with more than one node (Tarjan), each in
// the order of names, and they in the order of their first ones.
func knots(names []string, after map[string][]string) [][]string {
	type mark struct {
		order, low int
		open       bool
	}
	rank, marks := make(map[string]int, len(names)), make(map[string]*mark, len(names))
	for i, name := range names {
		rank[name] = i
	}
	inOrder := func(a, b string) int { return rank[a] - rank[b] }
	var stack []string
	var out [][]string
	var visit func(name string) *mark
	visit = func(name string) *mark {
		m := &mark{order: len(marks), low: len(marks), open: true}
		marks[name] = m
		stack = append(stack, name)
		for _, next := range after[name] {
			switch seen := marks[next]; {
			case seen == nil:
				m.low = min(m.low, visit(next).low)
			case seen.open:
				m.low = min(m.low, seen.order)
			}
		}
		if m.low < m.order {
			return m
		}
		from := slices.Index(stack, name)
		knot := slices.Clone(stack[from:])
		stack = stack[:from]
		for _, member := range knot {
			marks[member].open = false
		}
		if len(knot) > 1 {
			slices.SortFunc(knot, inOrder)
			out = append(out, knot)
		}
		return m
	}
	for _, name := range names {
		if marks[name] == nil {
			visit(name)
		}
	}
	slices.SortFunc(out, func(a, b []string) int { return inOrder(a[0], b[0]) })
	return out
}

// shortestCycle leads from the first node of a knot back to it, in the order of waiting.
func shortestCycle(knot []string, after map[string][]string) []string {
	inside := make(map[string]bool, len(knot))
	for _, name := range knot {
		inside[name] = true
	}
	first := knot[0]
	from := map[string]string{}
	for queue := []string{first}; len(queue) > 0; queue = queue[1:] {
		for _, next := range after[queue[0]] {
			if next == first {
				cycle := []string{queue[0]}
				for cycle[0] != first {
					cycle = slices.Insert(cycle, 0, from[cycle[0]])
				}
				return cycle
			}
			if _, seen := from[next]; !seen && inside[next] {
				from[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}
	return knot // no knot is without a cycle through each of its nodes
}
