package forward

import (
	"math/rand/v2"
	"testing"
)

// sized is simulcast with the sizes of a camera.
func sized() []Rung {
	rungs := simulcast()
	for i := range rungs {
		rungs[i].Width, rungs[i].Height = 320<<i, 180<<i
	}
	return rungs
}

func TestAllocateKeepsToTheLimit(t *testing.T) {
	for _, c := range []struct {
		name   string
		limit  Limit
		target int // kbit/s
		silent []int
		want   Choice
	}{
		{"none", Limit{}, 0, nil, Choice{2, AllTemporal}},
		{"a rung", Limit{Source: 2}, 0, nil, Choice{1, AllTemporal}},
		{"the lowest", Limit{Source: 1}, 0, nil, Choice{0, AllTemporal}},
		{"the path carries less", Limit{Source: 2}, 200, nil, Choice{0, AllTemporal}},
		{"a rung that is not there", Limit{Source: 9}, 0, nil, Choice{2, AllTemporal}},
		{"a rung that is silent", Limit{Source: 2}, 0, []int{1}, Choice{0, AllTemporal}},
		{"nothing within it is sent", Limit{Source: 2}, 0, []int{0, 1}, Choice{2, AllTemporal}},
		{"width", Limit{Width: 640}, 0, nil, Choice{1, AllTemporal}},
		{"a little less", Limit{Width: 639}, 0, nil, Choice{0, AllTemporal}},
		{"height", Limit{Height: 719}, 0, nil, Choice{1, AllTemporal}},
		{"both", Limit{Width: 1280, Height: 180}, 0, nil, Choice{0, AllTemporal}},
		{"smaller than all", Limit{Width: 1, Height: 1}, 0, nil, Choice{0, AllTemporal}},
		{"a rung and a size", Limit{Source: 3, Width: 700}, 0, nil, Choice{1, AllTemporal}},
		{"a size and a rung", Limit{Source: 1, Width: 700}, 0, nil, Choice{0, AllTemporal}},
		{"temporal base", Limit{Temporal: 1}, 0, nil, Choice{2, 0}},
		{"all temporal layers", Limit{Temporal: 2}, 0, nil, Choice{2, AllTemporal}},
		{"more than there are", Limit{Temporal: 8}, 0, nil, Choice{2, AllTemporal}},
		{"temporal base of a rung", Limit{Source: 2, Temporal: 1}, 0, nil, Choice{1, 0}},
	} {
		w := Wish{Rungs: sized(), Limit: c.limit}
		for _, i := range c.silent {
			w.Rungs[i].Silent = true
		}
		if got := Allocate(nil, c.target*1000, []Wish{w}); got[0] != c.want {
			t.Errorf("%s: %v, want %v", c.name, got[0], c.want)
		}
	}
	unknown := Wish{Rungs: simulcast(), Limit: Limit{Width: 640}}
	if got := Allocate(nil, 0, []Wish{unknown}); got[0].Rung != 2 {
		t.Errorf("layers whose size nobody knows: %v", got[0])
	}
}

// A limit leaves what it frees to the others.
func TestAllocateGivesTheRestToTheOthers(t *testing.T) {
	two := []Wish{{Rungs: sized(), Limit: Limit{Source: 1}}, {Rungs: sized()}}
	if got := Allocate(nil, 2_700_000, two); got[0].Rung != 0 || got[1].Rung != 2 {
		t.Errorf("got %v", got)
	}
}

func TestClimbObeysALimitAtOnce(t *testing.T) {
	w := &Wish{Rungs: sized(), Begun: true, Present: Choice{2, AllTemporal}}
	var c Climb
	decide := func(now int64) Choice {
		w.Present = c.Decide(w, Allocate(nil, 0, []Wish{*w})[0], (5000+now)*ms)
		return w.Present
	}
	w.Limit = Limit{Source: 1, Temporal: 1}
	if got := decide(0); got != (Choice{0, 0}) {
		t.Errorf("limited: %v", got)
	}
	w.Limit = Limit{}
	for _, step := range []struct {
		at   int64
		want Choice
	}{{0, Choice{0, 0}}, {1000, Choice{0, AllTemporal}}, {2000, Choice{1, AllTemporal}}, {3000, Choice{2, AllTemporal}}} {
		if got := decide(step.at); got != step.want {
			t.Errorf("free again for %d ms: %v, want %v", step.at, got, step.want)
		}
	}
}

func TestAllocateNeverExceedsALimit(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		w := Wish{Rungs: sized()[:1+rng.IntN(3)], Limit: Limit{
			Source: uint32(rng.IntN(5)), Temporal: uint8(rng.IntN(4)), Width: rng.IntN(1500), Height: rng.IntN(800),
		}}
		for i := range w.Rungs {
			w.Rungs[i].Silent = rng.IntN(3) == 0
		}
		w.Begun, w.Present = rng.IntN(2) == 0, Choice{rng.IntN(len(w.Rungs)), AllTemporal}
		got := Allocate(nil, rng.IntN(4_000_000), []Wish{w})[0]
		if got.Rung > w.top() && got.Rung != w.lowest() || got.Temporal != AllTemporal && got.Temporal > w.all(&w.Rungs[got.Rung]) {
			t.Fatalf("%+v gets %v", w, got)
		}
		for i := range got.Rung {
			if got.Rung > w.top() && !w.Rungs[i].Silent {
				t.Fatalf("%+v gets %v though %d is sent", w, got, i)
			}
		}
	}
}
