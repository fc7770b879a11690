package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"castcode/internal/linksim"
)

// lossRow is a bad path, and what a viewer saw behind it.
type lossRow struct {
	loss, burst float64 // burst: mean length of a run of losses
	roundTrip   time.Duration

	*saw // nil before it was measured
}

type saw struct {
	took     float64 // seconds
	drawn    int     // frames by the caster meanwhile
	seen     figures
	received inbound
}

// The rows of the table. The first says what the measurement itself costs, one of the others runs in CI.
var (
	inCI     = lossRow{loss: 0.05, roundTrip: 50 * time.Millisecond}
	lossRows = []lossRow{
		{roundTrip: 50 * time.Millisecond},
		{loss: 0.01, roundTrip: 50 * time.Millisecond},
		inCI,
		{loss: 0.10, roundTrip: 50 * time.Millisecond},
		{loss: 0.10, burst: 4, roundTrip: 50 * time.Millisecond},
		{roundTrip: 150 * time.Millisecond},
		{loss: 0.01, roundTrip: 150 * time.Millisecond},
		{loss: 0.05, roundTrip: 150 * time.Millisecond},
		{loss: 0.10, roundTrip: 150 * time.Millisecond},
		{loss: 0.10, burst: 4, roundTrip: 150 * time.Millisecond},
	}
)

// inbound is the browser's own account of a picture, summed up since the connection exists.
type inbound struct {
	Packets   float64 `json:"packets"`
	Lost      float64 `json:"lost"`   // before repair
	Resent    float64 `json:"resent"` // that came again
	Nacks     float64 `json:"nacks"`
	Keyframes float64 `json:"keyframes"` // asked for
	Decoded   float64 `json:"decoded"`
	Dropped   float64 `json:"dropped"`
	Freezes   float64 `json:"freezes"`
	Frozen    float64 `json:"frozen"` // seconds
	Bytes     float64 `json:"bytes"`
}

const inboundOf = `(async () => {
  const stats = [...(await window.castcode.peer.getStats()).values()];
  const s = stats.find((s) => s.type === 'inbound-rtp' && s.kind === 'video');
  return { packets: s.packetsReceived, lost: s.packetsLost, resent: s.retransmittedPacketsReceived ?? 0, nacks: s.nackCount,
    keyframes: s.pliCount + s.firCount, decoded: s.framesDecoded, dropped: s.framesDropped, freezes: s.freezeCount,
    frozen: s.totalFreezesDuration, bytes: s.bytesReceived };
})()`

func (a inbound) since(b inbound) inbound {
	return inbound{
		a.Packets - b.Packets, a.Lost - b.Lost, a.Resent - b.Resent, a.Nacks - b.Nacks, a.Keyframes - b.Keyframes,
		a.Decoded - b.Decoded, a.Dropped - b.Dropped, a.Freezes - b.Freezes, a.Frozen - b.Frozen, a.Bytes - b.Bytes,
	}
}

const lossHead = "| loss | in runs of | round trip, ms | Mbit/s | lost before repair, % | came again, % of those | NACKs | keyframes asked | " +
	"frames drawn | seen | dropped | freezes | frozen, % | longest gap, ms | age, ms | p95 |\n" +
	"|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"

func (r lossRow) String() string {
	in := r.received
	return fmt.Sprintf("| %.0f %% | %.0f | %d | %.2f | %.1f | %.0f | %.0f | %.0f | %d | %d | %.0f | %.0f | %.1f | %.0f | %.0f | %.0f |",
		100*r.loss, max(1, r.burst), r.roundTrip.Milliseconds(), in.Bytes*8/1e6/r.took, 100*in.Lost/(in.Packets+in.Lost),
		100*in.Resent/max(1, in.Lost), in.Nacks, in.Keyframes, r.drawn, r.seen.Frames, in.Dropped, in.Freezes, r.frozen(),
		r.seen.LongestGap, r.seen.Median, r.seen.P95)
}

// name says what the path does.
func (r lossRow) name() string {
	return fmt.Sprintf("%v, %.0f %% in runs of %.0f", r.roundTrip, 100*r.loss, max(1, r.burst))
}

// frozen is how many per cent of the time the picture stood still.
func (r lossRow) frozen() float64 { return 100 * r.received.Frozen / r.took }

// TestViewerBehindALossyPath lets Chromium watch through a link that loses packets, both ways, and delays them, and
// prints what it saw. With CASTCODE_LOSS_TABLE in the environment it does so for the whole table.
func TestViewerBehindALossyPath(t *testing.T) {
	st := onStage(t)
	n := st.openNetworks(t)
	s := n.serve(t, 8443)
	_, code := n.castNear(t, s, 240)
	rows := []lossRow{inCI}
	if os.Getenv("CASTCODE_LOSS_TABLE") != "" {
		rows = lossRows
	}
	table := lossHead
	for _, r := range rows {
		bar := r == inCI
		t.Run(r.name(), func(t *testing.T) {
			v := n.watch(t, s, chromiumName, code, "") // one who has learned nothing of the path yet
			v.settle()
			r = n.endure(v, r, 10*time.Second)
			table += r.String() + "\n"
			t.Log(r, r.seen)
		})
		if bar && r.saw != nil {
			r.check(t)
		}
	}
	t.Logf("a viewer behind loss:\n%s", table)
}

// endure measures a row. The time in which the browser gets used to the path does not count.
func (n *networks) endure(v *viewer, r lossRow, during time.Duration) lossRow {
	v.t.Helper()
	c := linksim.Conditions{Loss: r.loss, Burst: r.burst, Delay: r.roundTrip / 2}
	n.link.Set(c, c)
	defer n.link.Set(linksim.Conditions{}, linksim.Conditions{})
	const used = 4 * time.Second
	v.lookFor(used)
	before, first := eval[inbound](v.window, inboundOf), v.figures()
	v.clear()
	r.saw = &saw{seen: v.lookFor(during)}
	r.received = eval[inbound](v.window, inboundOf).since(before)
	r.took = float64(r.seen.Now-r.seen.Since) / 1000
	r.drawn = (r.seen.LastCount - first.LastCount) & 0xffff
	return r
}

// lookFor lets the reader look for a time.
func (w *window) lookFor(during time.Duration) (f figures) {
	w.t.Helper()
	begun := w.figures().Now
	eventually(w.t, during+stepTime, w.name+": looking", func() (bool, string) {
		f = w.figures()
		return f.Now-begun >= during.Milliseconds(), f.String()
	})
	return f
}

// check is the bar of the row that runs in CI.
func (r lossRow) check(t *testing.T) {
	t.Helper()
	if in := r.received; in.Lost < 0.02*in.Packets || in.Resent == 0 {
		t.Errorf("the path has lost %.0f of %.0f packets, and %.0f came again: that is no test", in.Lost, in.Packets, in.Resent)
	}
	if got := r.received.Bytes * 8 / r.took; got < 800_000 {
		t.Errorf("the server sends %.0f bit/s only: it takes loss by chance for a narrow path", got)
	}
	if r.received.Resent < 0.8*r.received.Lost {
		t.Errorf("%.0f packets were lost, %.0f came again", r.received.Lost, r.received.Resent)
	}
	// Browsers wait three seconds for a frame that lacks a packet before they ask for a keyframe.
	if r.frozen() > 60 || r.seen.LongestGap > 4500 {
		t.Errorf("the picture stood still for %.1f %% of the time, %.0f ms at a stretch", r.frozen(), r.seen.LongestGap)
	}
	if r.seen.P95 > 700 {
		t.Errorf("the picture is old: %v", r.seen)
	}
}
