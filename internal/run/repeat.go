package run

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// loopNode settles a node whose body is entered again and again: each round is an instance,
// and gets what the round before it made.
func (d *decider) loopNode(sc *scope, s *nodeState, path string, ready bool) {
	if row := d.st.Jobs[path]; row != nil && row.Status == cairn.StatusCompleted {
		s.settle([]*cairn.Job{row})
		return
	}
	x, expanded := d.st.Expansions[path]
	if !expanded {
		v := d.judge(sc, s, ready)
		switch v.verdict {
		case pending:
			return
		case proceed:
		default:
			d.end(sc, s, path, v.conclusion(), v.reason, v.seen)
			return
		}
		var fault string
		if x, fault = d.expand(sc, s, path); fault != "" {
			d.fail(sc, s, path, fault)
			return
		}
		x.Instances[0].Key, x.If = "1", v.seen
		d.do(Expand{Expansion: x})
	}
	d.ownRow(sc, s, path, x.If)
	loop := s.node.Loop
	for i := 0; i < len(x.Instances); i++ {
		p := &part{path: instancePath(path, x.Instances[i])}
		d.body(sc, s, p, &x, i, sc.stop)
		if !p.done {
			return
		}
		if i < len(x.Instances)-1 {
			continue
		}
		goOn, reason := d.goesOn(loop, p, len(x.Instances))
		if !goOn {
			d.do(Finish{Path: path, Conclusion: p.result, Reason: clip(reason, maxReason), Outputs: fieldTexts(p.outputs)})
			s.settle([]*cairn.Job{d.st.Jobs[path]})
			return
		}
		x.Instances = append(slices.Clone(x.Instances), cairn.Instance{Key: strconv.Itoa(len(x.Instances) + 1), Inputs: nextInputs(loop, x.Instances[i].Inputs, p.outputs)})
		d.do(Expand{Expansion: x})
	}
}

// goesOn says whether there is another round, and if not, why.
func (d *decider) goesOn(loop *cairn.Loop, p *part, rounds int) (bool, string) {
	done := fmt.Sprintf("after %d rounds", rounds)
	if rounds == 1 {
		done = "after 1 round"
	}
	if p.result != cairn.Success {
		return false, done
	}
	v := strings.ToLower(strings.TrimSpace(fieldText(p.outputs, loop.Condition)))
	if v != "true" && v != "1" {
		return false, fmt.Sprintf("%s: %s is %s", done, loop.Condition, v)
	}
	if rounds >= loop.Max {
		return false, fmt.Sprintf("%s, which is the most that the loop allows; %s is still %s", done, loop.Condition, v)
	}
	return true, ""
}

func fieldText(fields []expr.Field, name string) string {
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value.ToString()
		}
	}
	return ""
}

func fieldTexts(fields []expr.Field) map[string]string {
	out := make(map[string]string, len(fields))
	for _, f := range fields {
		out[f.Name] = f.Value.ToString()
	}
	return out
}

// nextInputs are the inputs of a round: those of the round before, with what that made.
func nextInputs(loop *cairn.Loop, before json.RawMessage, outputs []expr.Field) json.RawMessage {
	v := decodeJSON(before)
	if v.Kind() != expr.KindObject {
		v = expr.Object()
	}
	for _, m := range loop.Mapping {
		for _, in := range m.Inputs {
			v = v.With(in, expr.String(fieldText(outputs, m.Output)))
		}
	}
	return v.JSON()
}
