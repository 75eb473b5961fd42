package sweep

// dice are pseudo-random numbers (splitmix64) that a seed and a trial's number fix.
type dice struct{ state uint64 }

func newDice(seed, number uint64) *dice {
	d := &dice{state: seed*0x9e3779b97f4a7c15 ^ 0x632be59bd9b4e019}
	d.next()
	d.state ^= number * 0xd1342543de82ef95
	d.next()
	return d
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// unit is a number from 0 up to 1.
func (d *dice) unit() float64 { return float64(d.next()>>11) / (1 << 53) }

// polynomial has direction numbers by Joe and Kuo (new-joe-kuo-6), of which there are those
// for 21 dimensions. What lies beyond is drawn at random.
type polynomial struct {
	degree, a uint32
	m         []uint32
}

func polynomials() []polynomial {
	return []polynomial{
		{1, 0, []uint32{1}}, {2, 1, []uint32{1, 3}}, {3, 1, []uint32{1, 3, 1}}, {3, 2, []uint32{1, 1, 1}}, {4, 1, []uint32{1, 1, 3, 3}},
		{4, 4, []uint32{1, 3, 5, 13}}, {5, 2, []uint32{1, 1, 5, 5, 17}}, {5, 4, []uint32{1, 1, 5, 5, 5}}, {5, 7, []uint32{1, 1, 7, 11, 19}},
		{5, 11, []uint32{1, 1, 5, 1, 1}}, {5, 13, []uint32{1, 1, 1, 3, 11}}, {5, 14, []uint32{1, 3, 5, 5, 31}}, {6, 1, []uint32{1, 3, 3, 9, 7, 49}},
		{6, 13, []uint32{1, 1, 1, 15, 21, 21}}, {6, 16, []uint32{1, 3, 1, 13, 27, 49}}, {6, 19, []uint32{1, 1, 1, 15, 7, 5}},
		{6, 22, []uint32{1, 3, 1, 15, 13, 25}}, {6, 25, []uint32{1, 1, 5, 5, 19, 61}}, {7, 1, []uint32{1, 3, 7, 11, 23, 15, 103}},
		{7, 4, []uint32{1, 3, 7, 13, 13, 15, 69}},
	}
}

const sobolBits = 32

// sobol is the point with that number of a Sobol sequence, moved by a seed. It is moved
// without one too: the first point is all zeros, the end of every distribution at once.
func sobol(seed uint64, number int) []float64 {
	gray := uint32(number) ^ uint32(number)>>1
	shift := newDice(seed, 0)
	var point []float64
	add := func(v *[sobolBits]uint32) {
		x := uint32(shift.next() >> 32)
		for k := range v {
			if gray>>k&1 == 1 {
				x ^= v[k]
			}
		}
		point = append(point, float64(x)/(1<<sobolBits))
	}
	var v [sobolBits]uint32
	for k := range v {
		v[k] = 1 << (sobolBits - 1 - k)
	}
	add(&v)
	for _, p := range polynomials() {
		n := int(p.degree)
		for k := range v {
			if k < n {
				v[k] = p.m[k] << (sobolBits - 1 - k)
				continue
			}
			v[k] = v[k-n] ^ v[k-n]>>n
			for j := 1; j < n; j++ {
				if p.a>>(n-1-j)&1 == 1 {
					v[k] ^= v[k-j]
				}
			}
		}
		add(&v)
	}
	return point
}
