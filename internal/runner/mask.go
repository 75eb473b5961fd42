package runner

import (
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
	"sync"
)

// Masks is the set of values that must not be seen, shared by all logs of a
// job. It only grows.
type Masks struct {
	mu       sync.Mutex
	patterns map[string]struct{}
	version  int
	built    *automaton // for version; nil when patterns were added since
}

// MinMask is the shortest value that is masked: hiding shorter ones would make
// logs unreadable and show by its places what they are.
const MinMask = 4

// NewMasks returns an empty set.
func NewMasks() *Masks { return &Masks{patterns: map[string]struct{}{}} }

// Add hides value and the forms it takes when it is encoded. It returns false
// for a value too short to be hidden.
func (m *Masks) Add(value string) bool {
	forms := maskForms(value)
	if len(forms) == 0 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range forms {
		if _, ok := m.patterns[f]; !ok {
			m.patterns[f] = struct{}{}
			m.version++
			m.built = nil
		}
	}
	return true
}

// automaton returns the automaton of all patterns so far and its version.
func (m *Masks) automaton() (*automaton, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.built == nil {
		ps := make([]string, 0, len(m.patterns))
		for p := range m.patterns {
			ps = append(ps, p)
		}
		slices.Sort(ps)
		m.built = newAutomaton(ps)
	}
	return m.built, m.version
}

// String masks a whole text.
func (m *Masks) String(s string) string {
	a, _ := m.automaton()
	if !a.mayMatch(s) {
		return s
	}
	f := maskFilter{a: a}
	out := f.push(nil, []byte(s))
	return string(f.flush(out))
}

// automaton finds all patterns at once in a stream of bytes (Aho-Corasick).
// Edges are kept sparse, since secrets may be long and many; only the root,
// where a log is nearly always, is a table.
type automaton struct {
	root  [256]int32
	nodes []maskNode
	// begins has a bit for the hash of the first MinMask bytes of each pattern. Most
	// places of a log fail that test, whatever the number of patterns.
	begins []uint64
	shift  uint8 // 64 less the number of bits that index begins
}

// beginBits is how many places of begins there are for each pattern, and maxBegins
// how many there are at most (as a power of two): it is to stay in a near cache.
const (
	beginBits = 16
	maxBegins = 20
)

// beginAt is where begins tells of a pattern whose first bytes are those of w.
func (a *automaton) beginAt(w uint32) (word uint64, bit uint64) {
	h := uint64(w) * 0x9E3779B97F4A7C15 >> a.shift
	return h >> 6, 1 << (h & 63)
}

// mark makes begins.
func (a *automaton) mark(patterns []string) {
	n := max(6, min(bits.Len(uint(beginBits*len(patterns))), maxBegins))
	a.shift = uint8(64 - n)
	a.begins = make([]uint64, 1<<n>>6)
	for _, p := range patterns {
		word, bit := a.beginAt(binary.LittleEndian.Uint32([]byte(p[:MinMask])))
		a.begins[word] |= bit
	}
}

// next is the first place of p at which a pattern may begin, or from which on p is
// too short to tell.
func (a *automaton) next(p []byte) int {
	i := 0
	for ; i+MinMask <= len(p); i++ {
		if word, bit := a.beginAt(binary.LittleEndian.Uint32(p[i:])); a.begins[word]&bit != 0 {
			return i
		}
	}
	return min(i, len(p))
}

// maskNode is one state: 24 bytes, since a large secret in all its forms makes
// a million of them.
type maskNode struct {
	fail  int32
	depth int32
	match int32 // length of the longest pattern that ends here; 0: none
	child int32 // the first child; its siblings follow by next
	next  int32
	b     byte // that leads here
}

func newAutomaton(patterns []string) *automaton {
	total := 1
	for _, p := range patterns {
		total += len(p)
	}
	a := &automaton{nodes: make([]maskNode, 1, total)}
	a.mark(patterns)
	for _, p := range patterns {
		at := int32(0)
		for i := 0; i < len(p); i++ {
			next := a.edge(at, p[i])
			if next < 0 {
				next = int32(len(a.nodes))
				n := maskNode{depth: int32(i + 1), b: p[i]}
				if at == 0 {
					a.root[p[i]] = next
				} else {
					n.next, a.nodes[at].child = a.nodes[at].child, next
				}
				a.nodes = append(a.nodes, n)
			}
			at = next
		}
		a.nodes[at].match = int32(len(p))
	}
	// Breadth first: a node's failure link leads to a shallower node, which is done.
	queue := make([]int32, 0, len(a.nodes))
	for _, n := range a.root {
		if n != 0 {
			queue = append(queue, n)
		}
	}
	for i := 0; i < len(queue); i++ {
		n := queue[i]
		for to := a.nodes[n].child; to != 0; to = a.nodes[to].next {
			c := &a.nodes[to]
			c.fail = a.step(a.nodes[n].fail, c.b)
			c.match = max(c.match, a.nodes[c.fail].match)
			queue = append(queue, to)
		}
	}
	return a
}

// edge is the child of n by b, or -1.
func (a *automaton) edge(n int32, b byte) int32 {
	if n == 0 {
		if to := a.root[b]; to != 0 {
			return to
		}
		return -1
	}
	for to := a.nodes[n].child; to != 0; to = a.nodes[to].next {
		if a.nodes[to].b == b {
			return to
		}
	}
	return -1
}

// step is the state after b in state n.
func (a *automaton) step(n int32, b byte) int32 {
	for n != 0 {
		if to := a.edge(n, b); to >= 0 {
			return to
		}
		n = a.nodes[n].fail
	}
	return a.root[b]
}

// mayMatch is a cheap test that most texts fail.
func (a *automaton) mayMatch(s string) bool { return a.next([]byte(s))+MinMask <= len(s) }

// maskText stands in place of every hidden value.
const maskText = "***"

// maskFilter masks one stream. Bytes that may be the beginning of a hidden
// value are kept back until the next ones show whether they are.
type maskFilter struct {
	a     *automaton
	state int32
	held  []byte // bytes seen and not given out
	// hits are the parts of held that are hidden, in order, not overlapping. Their
	// offsets count from the start of held.
	hits []span
	// covered says how many bytes at the start of held belong to a hidden value
	// whose stand-in was given out already.
	covered int
}

type span struct{ from, to int }

// push takes in p and appends to out what is certain.
func (f *maskFilter) push(out, p []byte) []byte {
	began := 0 // where in p the look at a pattern began
	for at := 0; at < len(p); {
		if f.state == 0 && len(f.held) == 0 {
			// The usual case: nothing pending. Find the next place where a pattern may begin.
			i := f.a.next(p[at:])
			out = append(out, p[at:at+i]...)
			if at += i; at == len(p) {
				return out
			}
			began = at
		}
		b := p[at]
		at++
		f.held = append(f.held, b)
		f.state = f.a.step(f.state, b)
		node := &f.a.nodes[f.state]
		if node.match > 0 {
			f.hit(len(f.held)-int(node.match), len(f.held))
		}
		// What lies before the longest possible beginning of a pattern is certain.
		if safe := len(f.held) - int(node.depth); safe > 0 {
			out = f.release(out, safe)
			// What is still held is short and began behind where the look began: look there
			// anew with the cheap test, which most places fail.
			if back := int(node.depth); back < MinMask && at-back > began && f.covered == 0 && len(f.hits) == 0 {
				f.state, f.held, at = 0, f.held[:0], at-back
			}
		}
	}
	return out
}

// hit marks a part of held as hidden, joined with those it overlaps.
func (f *maskFilter) hit(from, to int) {
	from = max(from, 0)
	if from < f.covered {
		f.covered = max(f.covered, to)
		f.hits = f.hits[:0] // any hit between begins later, so it is inside
		return
	}
	for n := len(f.hits); n > 0 && f.hits[n-1].to > from; n-- {
		from = min(from, f.hits[n-1].from)
		f.hits = f.hits[:n-1]
	}
	f.hits = append(f.hits, span{from, to})
}

// release gives out the first n bytes of held.
func (f *maskFilter) release(out []byte, n int) []byte {
	at := min(f.covered, n)
	for len(f.hits) > 0 && f.hits[0].from < n {
		h := f.hits[0]
		f.hits = f.hits[1:]
		out = append(out, f.held[at:h.from]...)
		out = append(out, maskText...)
		at = min(h.to, n)
		f.covered = h.to
	}
	out = append(out, f.held[at:n]...)
	f.held = append(f.held[:0], f.held[n:]...)
	f.covered = max(f.covered-n, 0)
	for i := range f.hits {
		f.hits[i].from -= n
		f.hits[i].to -= n
	}
	if len(f.hits) == 0 {
		f.hits = nil
	}
	return out
}

// flush gives out all that is held, as at the end of a stream.
func (f *maskFilter) flush(out []byte) []byte {
	out = f.release(out, len(f.held))
	f.state = 0
	return out
}

// use changes to an automaton with more patterns: what is held is looked at again.
func (f *maskFilter) use(out []byte, a *automaton) []byte {
	held, covered := slices.Clone(f.held), f.covered
	*f = maskFilter{a: a}
	if len(held) == 0 {
		return out
	}
	// Every old pattern is in the new automaton too, so the hits are found again;
	// only what began before held has to be carried over.
	f.covered = covered
	for _, b := range held {
		f.held = append(f.held, b)
		f.state = a.step(f.state, b)
		if m := int(a.nodes[f.state].match); m > 0 {
			f.hit(len(f.held)-m, len(f.held))
		}
	}
	if safe := len(f.held) - int(a.nodes[f.state].depth); safe > 0 {
		out = f.release(out, safe)
	}
	return out
}

// MaskWriter masks a stream on its way to w.
type MaskWriter struct {
	w       io.Writer
	masks   *Masks
	version int
	f       maskFilter
	buf     []byte
}

// NewMaskWriter returns a writer that hides what m holds at each moment.
func NewMaskWriter(w io.Writer, m *Masks) *MaskWriter {
	a, v := m.automaton()
	return &MaskWriter{w: w, masks: m, version: v, f: maskFilter{a: a}}
}

// Write gives on what is certain and keeps the rest for the next call.
func (w *MaskWriter) Write(p []byte) (int, error) {
	out := w.buf[:0]
	if a, v := w.masks.automaton(); v != w.version {
		w.version = v
		out = w.f.use(out, a)
	}
	out = w.f.push(out, p)
	w.buf = out
	if len(out) == 0 {
		return len(p), nil
	}
	_, err := w.w.Write(out)
	return len(p), err
}

// Flush gives on everything that is held: the stream has ended.
func (w *MaskWriter) Flush() error {
	out := w.f.flush(w.buf[:0])
	w.buf = out
	if len(out) == 0 {
		return nil
	}
	_, err := w.w.Write(out)
	return err
}
