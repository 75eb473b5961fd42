package sweep

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Fault says what of a search cannot be carried out; "" where all can.
func Fault(s *cairn.Sweep) string {
	var kinds []string // that the algorithm takes; nil: all
	switch s.Algorithm {
	case "grid":
		kinds = []string{"choice"}
	case "bayesian":
		kinds = []string{"choice", "uniform", "quniform"}
	}
	return spaceFault(s, kinds, "search_space", s.Space)
}

func spaceFault(s *cairn.Sweep, kinds []string, at string, space []cairn.Range) string {
	for i := range space {
		r := &space[i]
		here := at + "." + r.Name
		if kinds != nil && !slices.Contains(kinds, r.Type) {
			return fmt.Sprintf("%s: %s cannot be searched with sampling_algorithm: %s, which takes %s", here, r.Type, s.Algorithm, strings.Join(kinds, ", "))
		}
		if f := rangeFault(r); f != "" {
			return here + ": " + f
		}
		for _, inner := range r.Spaces {
			if f := spaceFault(s, kinds, here, inner); f != "" {
				return f
			}
		}
	}
	return ""
}

func rangeFault(r *cairn.Range) string {
	width := r.Max - r.Min
	switch {
	case r.Type == "choice" && len(r.Values) == 0:
		return "choice has no values"
	case r.Type == "randint" && r.Upper < 1:
		return "upper has to be 1 or more"
	case width < 0:
		return "max_value is less than min_value"
	case math.IsInf(width, 0):
		return "min_value and max_value are too far apart"
	case r.Sigma < 0:
		return "sigma is less than 0"
	case strings.HasPrefix(r.Type, "q") && r.Q <= 0:
		return "q has to be more than 0"
	}
	return ""
}
