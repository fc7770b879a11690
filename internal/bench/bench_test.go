//go:build linux

package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/srtp/v2"
)

// TestMain: the test binary is the other processes as well.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && slices.Contains([]string{receiveWord, groundWord, castWord}, os.Args[1]) {
		if err := command(os.Args[1:]); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestEveryContestant carries a short stream to eight viewers, of whom four read; none may lose or garble a packet.
func TestEveryContestant(t *testing.T) {
	for _, e := range entries() {
		r, err := compete(e, 8, Plan{Runs: 1, Length: 300 * time.Millisecond, Paced: true})
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		if len(r.Paced) != 1 {
			t.Errorf("%s was not paced", e.Name)
			continue
		}
		f := r.Paced[0]
		if want := f.Packets * sampled / 8; f.Seen.Received != want || f.Seen.Bad != 0 || f.Seen.Lost != 0 {
			t.Errorf("%s: the sample saw %+v, want %d packets", e.Name, f.Seen, want)
		}
		if f.CPU <= 0 {
			t.Errorf("%s took no time", e.Name)
		}
	}
}

// TestFrames: the mean rate is that of the stream, and packets of one frame are alike in size.
func TestFrames(t *testing.T) {
	s, bytes, frames := NewStream(7), 0, keyEvery*4
	for i := range frames {
		f := s.Next(time.Unix(1, 0))
		smallest := f.Largest
		for _, p := range f.Packets {
			smallest = min(smallest, len(p.Payload))
			if len(p.Payload) > f.Largest {
				t.Fatalf("frame %d: a payload of %d, the largest is said to be %d", i, len(p.Payload), f.Largest)
			}
			bytes += len(p.Payload)
		}
		if f.Largest-smallest > 1 || f.Largest > maxPayload {
			t.Errorf("frame %d: payloads from %d to %d", i, smallest, f.Largest)
		}
		if n := len(f.Packets); i%keyEvery != 0 && (n < 8 || n > 11) {
			t.Errorf("frame %d has %d packets", i, n)
		}
	}
	if rate := bytes * 8 * frameRate / frames; rate < 2_300_000 || rate > 2_700_000 {
		t.Errorf("%d bit/s", rate)
	}
}

// TestSeal compares with the library, over a roll of the sequence number.
func TestSeal(t *testing.T) {
	key, salt := master(3)
	s, err := newSealer(key, salt, 77)
	if err != nil {
		t.Fatal(err)
	}
	other, err := srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		p := Packet{Seq: uint16(65530 + i), Timestamp: 9, Marker: i%2 == 0, Payload: make([]byte, 900)}
		plain := append(make([]byte, 900), 1)
		sealed := make([]byte, 1500)
		sealed = sealed[:s.seal(sealed, &p, plain)]
		got, err := other.DecryptRTP(nil, sealed, nil)
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if len(got) != headerSize+901 {
			t.Errorf("packet %d: %d bytes", i, len(got))
		}
	}
	p, plain, dst := Packet{Payload: make([]byte, 900)}, make([]byte, 901), make([]byte, 1500)
	if n := testing.AllocsPerRun(100, func() { s.seal(dst, &p, plain) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	runs := func(own ...time.Duration) (list []Pair) {
		for i, cpu := range own {
			list = append(list, Pair{
				Figures: Figures{Packets: 1000, CPU: cpu * time.Microsecond, Allocs: 500},
				Floor:   Figures{Packets: 500, CPU: time.Duration(i+1) * 100 * time.Microsecond},
			})
		}
		return list
	}
	table(&b, []Result{{Name: "one", Viewers: 9, Flat: runs(700, 600, 900)}, {Name: "other", Viewers: 9, Flat: runs(1400), Paced: runs(1000)}})
	for _, want := range []string{
		"| one | flat out | 0.600 | 0.700 | 0.400 | 1.50 | 0.5000 |", "| one | real time | – |",
		"| other | flat out | 1.400 | 1.400 | 0.200 | 7.00 |", "| other | real time | 1.000 |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestParse(t *testing.T) {
	if p, err := parse([]string{"--viewers", "5, 6", "--only", "floor,batch"}); err != nil || len(p.Viewers) != 2 || len(p.Only) != 2 {
		t.Errorf("plan %+v, %v", p, err)
	}
	for _, bad := range []string{"--viewers=0", "--viewers=x", "--only=nobody", "--runs=0", "--length=0s", "--what"} {
		if _, err := parse([]string{bad}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
