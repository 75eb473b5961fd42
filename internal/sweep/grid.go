package sweep

import "github.com/cairn-ml/cairn"

// gridSize is how many points a space has; 0 for one that is no grid, capped.
func gridSize(space []cairn.Range) int {
	n := 1
	for i := range space {
		n *= optionsOf(&space[i])
		if n == 0 || n > maxGrid {
			return min(n, maxGrid)
		}
	}
	return n
}

const maxGrid = 1_000_000

func optionsOf(r *cairn.Range) int {
	if r.Type != "choice" {
		return 0
	}
	n := 0
	for i := range r.Values {
		if i < len(r.Spaces) && r.Spaces[i] != nil {
			n += gridSize(r.Spaces[i])
		} else {
			n++
		}
	}
	return min(n, maxGrid)
}

// gridPoint is one point of a grid: the last parameter changes first.
func gridPoint(space []cairn.Range, number int, v *values) bool {
	if number >= gridSize(space) {
		return false
	}
	index := make([]int, len(space))
	for i := len(space) - 1; i >= 0; i-- {
		n := optionsOf(&space[i])
		index[i] = number % n
		number /= n
	}
	for i := range space {
		r, k := &space[i], index[i]
		for j := range r.Values {
			if j < len(r.Spaces) && r.Spaces[j] != nil {
				n := gridSize(r.Spaces[j])
				if k < n {
					inner := newValues()
					gridPoint(r.Spaces[j], k, inner)
					v.set(r.Name, inner.json())
					break
				}
				k -= n
				continue
			}
			if k == 0 {
				v.set(r.Name, r.Values[j])
				break
			}
			k--
		}
	}
	return true
}
