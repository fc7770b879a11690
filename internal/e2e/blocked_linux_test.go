package e2e

import (
	"fmt"
	"testing"
	"time"
)

// goneAndBack is what a cut of UDP, or its end, did to one picture.
type goneAndBack struct {
	what        string
	before, now path
	still       float64       // milliseconds without a new frame
	after       time.Duration // until media had its new path and frames came
}

func (g goneAndBack) String() string {
	return fmt.Sprintf("| %s | %s | %s | %.0f | %.1f |", g.what, g.before.way(), g.now.way(), g.still, g.after.Seconds())
}

// patience is how long a path may take to move: pages try to get back to UDP after 15 s, and then more and more seldom.
const patience = 50 * time.Second

// TestUDPIsBlockedAndOpened takes UDP away from a viewer and a caster behind a router and gives it back. The picture of
// neither may stay away, and both go by UDP again in the end.
func TestUDPIsBlockedAndOpened(t *testing.T) {
	st := onStage(t)
	n := st.openNetworks(t)
	s := n.serve(t, 8443)
	_, code := n.castNear(t, s, 0)
	watching := n.watch(t, s, chromiumName, code, "")
	casting := &caster{n.open(t, chromiumName, "far caster", s.url("/"), painted(0), script("connected.js"))}
	casting.waitState(joinTime, "idle")
	casting.castAlone()
	seeing := n.watchNear(t, s, s.keepSecret(casting.roomCode()))
	subjects := []struct {
		who     string
		mover   *window // whose path is looked at
		picture *window // whose frames
	}{{"viewer", watching.window, watching.window}, {"caster", casting.window, seeing.window}}

	table := "| what | path before | after | still, ms | moved after, s |\n|---|---|---|---|---|\n"
	for _, step := range []struct {
		name string
		do   func()
		udp  bool
	}{
		{"UDP is blocked", func() { n.router.Filter(noUDP) }, false},
		{"UDP is open again", func() { n.router.Open() }, true},
	} {
		before := make([]path, len(subjects))
		for i, who := range subjects {
			who.mover.settledPath()
			before[i] = who.mover.path()
			who.picture.settle()
			who.picture.waitFrame(joinTime, time.Now()) // a gap has a frame before it
		}
		begun := time.Now()
		step.do()
		for i, who := range subjects {
			g := goneAndBack{what: who.who + ": " + step.name, before: before[i]}
			eventually(t, patience, g.what, func() (bool, string) {
				p, err := try[path](who.mover, pathOf)
				if err != nil {
					return false, err.Error()
				}
				g.now = p
				moved := p.State == "connected" && p.Protocol != "" && (p.way() == "udp") == step.udp
				return moved, fmt.Sprintf("%+v; %s", p, who.mover.describe())
			})
			f := who.picture.waitFrame(patience, time.Now())
			g.after, g.still = time.Since(begun), f.LongestGap
			table += g.String() + "\n"
			if f.Blank > 0 || f.Dark > 0 {
				t.Errorf("%s: the picture went away: %v", g.what, f)
			}
			if bar := 20_000.0; !step.udp && g.still > bar || step.udp && g.still > 2000 {
				t.Errorf("%s: the picture stood still for %.0f ms", g.what, g.still)
			}
		}
	}
	t.Logf("UDP goes and comes:\n%s", table)
}
