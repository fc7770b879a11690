package signal

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestNormaliseCode(t *testing.T) {
	for input, want := range map[string]string{
		"123456":                      "123456",
		" 123 456 ":                   "123456",
		"123-456-789":                 "123456789",
		"１２３４５６":                      "123456",
		"１２３　４５６":                     "123456",
		"123–456—789":                 "123456789",
		"1234567":                     "1234567",
		"000000":                      "000000",
		"12345":                       "",
		"1234567890":                  "",
		"12345a":                      "",
		"١٢٣٤٥٦":                      "",
		"":                            "",
		"-- --":                       "",
		"123456\x00":                  "",
		"123456\xff":                  "",
		"1" + strings.Repeat(" ", 70): "",
	} {
		got, ok := normaliseCode(input)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %v; want %q", input, got, ok, want)
		}
	}
}

func TestCleanName(t *testing.T) {
	for input, want := range map[string]string{
		"":                                  "",
		"  Hall 1\t":                        "Hall 1",
		"Hall\x00\n1\x7f":                   "Hall1",
		"e\u0301":                           "é",
		"\u202egpj.exe\u202c":               "gpj.exe",
		"\u2066a\u2069\u200f\u061c\ufeff":   "a",
		"教室":                                "教室",
		"👩\u200d🏫":                          "👩\u200d🏫",
		"<script>":                          "<script>", // pages show names as text
		strings.Repeat("é", 64):             strings.Repeat("é", 64),
		strings.Repeat("e\u0301", 64):       strings.Repeat("é", 64),
		strings.Repeat("x", 64) + "\u202e ": strings.Repeat("x", 64),
	} {
		if got, ok := cleanName(input); !ok || got != want {
			t.Errorf("%q: got %q, %v; want %q", input, got, ok, want)
		}
	}
	for _, input := range []string{strings.Repeat("x", 65), strings.Repeat("é", 65), strings.Repeat(" ", 1025)} {
		if got, ok := cleanName(input); ok {
			t.Errorf("%d bytes passed as %q", len(input), got)
		}
	}
}

func TestCodesAreNotReusedFor24h(t *testing.T) {
	c, now := newCodes(testKey), time.Now()
	who := holder{room: new(Room)}
	if !c.assign("123456", who) || c.assign("123456", who) {
		t.Fatal("a code was given twice")
	}
	if got, ok := c.find("123456", now); !ok || got != who {
		t.Fatal("not found")
	}
	c.retire("123456", now)
	if _, ok := c.find("123456", now); ok {
		t.Fatal("found after it was retired")
	}
	for _, later := range []time.Duration{0, time.Hour, 24*time.Hour - 1} {
		c.prune(6, now.Add(later))
		if c.assign("123456", who) {
			t.Fatalf("given again after %v", later)
		}
	}
	c.prune(6, now.Add(24*time.Hour))
	if !c.assign("123456", who) {
		t.Fatal("not free after 24 h")
	}

	// A room takes its own code back, and its day starts anew when it leaves again.
	c.retire("123456", now)
	if !c.restore("123456", who.room) || c.restore("123456", who.room) {
		t.Fatal("restore")
	}
	c.retire("123456", now.Add(time.Hour))
	c.prune(6, now.Add(24*time.Hour))
	if c.assign("123456", who) {
		t.Fatal("the first retirement freed the code of the second")
	}
	c.retire("999999", now) // never was in service
	if !c.assign("999999", who) {
		t.Fatal("a code that nobody had was retired")
	}
}

func TestRetiredCodesAreBounded(t *testing.T) {
	c, now := newCodes(testKey), time.Now()
	c.max = 3
	for i := range 10 {
		code := fmt.Sprintf("%06d", i)
		c.assign(code, holder{})
		c.retire(code, now)
	}
	if len(c.retired) != 3 || len(c.queues[6]) != 3 || len(c.active) != 0 {
		t.Fatalf("%d retired, %d queued", len(c.retired), len(c.queues[6]))
	}
	if !c.assign("000006", holder{}) || c.assign("000007", holder{}) {
		t.Fatal("not the oldest came back")
	}
}

// Every digit is about as likely as another in every place.
func TestRandomDigits(t *testing.T) {
	var seen [9][10]int
	const rounds = 20_000
	for range rounds {
		code := randomDigits(9)
		if len(code) != 9 {
			t.Fatalf("code %q", code)
		}
		for i, d := range code {
			seen[i][d-'0']++
		}
	}
	for place, counts := range seen {
		for digit, n := range counts {
			if n < rounds/10*8/10 || n > rounds/10*12/10 { // nine standard deviations
				t.Errorf("digit %d stands %d times in place %d", digit, n, place)
			}
		}
	}
	if code := randomDigits(6); len(code) != 6 {
		t.Fatalf("code %q", code)
	}
}

func TestTickets(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	ours, theirs := tickets{[]byte("key")}, tickets{[]byte("other key")}
	longest := strings.Repeat("<", maxNameRunes) // six bytes each in JSON
	want := ticket{Kind: casterTicket, Room: newID("r_"), Code: "123456789", Name: longest, Rules: rules{
		Revision: math.MaxUint32, Title: longest, Waiting: true, Locked: true, PIN: strings.Repeat("p", 22),
		Capacity: maxRoomCapacity, Starts: now.UnixMilli(), Link: rand.Text(),
	}}
	text := ours.sign(want, now, time.Hour)
	got, ok := ours.verify(text, casterTicket, now.Add(time.Hour-time.Second))
	want.Expires = now.Add(time.Hour).Unix()
	if !ok || got != want || len(text) > maxTicket {
		t.Fatalf("got %+v, %v from %d bytes", got, ok, len(text))
	}
	head, tail, _ := strings.Cut(text, ".")
	for name, c := range map[string]struct {
		by   tickets
		text string
		kind ticketKind
		at   time.Time
	}{
		"expired":     {ours, text, casterTicket, now.Add(time.Hour)},
		"other kind":  {ours, text, viewerTicket, now},
		"other key":   {theirs, text, casterTicket, now},
		"no mac":      {ours, head + ".", casterTicket, now},
		"no point":    {ours, head, casterTicket, now},
		"other head":  {ours, head[:len(head)-2] + "AA." + tail, casterTicket, now},
		"not base64":  {ours, head + "!." + tail, casterTicket, now},
		"mac cut":     {ours, text[:len(text)-2], casterTicket, now},
		"too long":    {ours, strings.Repeat("A", maxTicket) + "." + tail, casterTicket, now},
		"empty":       {ours, "", casterTicket, now},
		"only points": {ours, "..", casterTicket, now},
	} {
		if tk, ok := c.by.verify(c.text, c.kind, c.at); ok {
			t.Errorf("%s: %+v passed", name, tk)
		}
	}
}

func TestAddressLimitIsBounded(t *testing.T) {
	l, now := newAddressLimit(5, 10), time.Now()
	l.max = 4
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range 4 {
		l.take(addr(i), now)
	}
	for i := range 10 { // the table is full: these share one bucket
		if left := l.take(addr(100+i), now); left != 9-i {
			t.Fatalf("%d left, want %d", left, 9-i)
		}
	}
	if len(l.buckets) != 4 || l.wait(addr(999), now) != 12*time.Second || l.wait(addr(0), now) != 0 {
		t.Fatalf("%d buckets, wait %v, %v", len(l.buckets), l.wait(addr(999), now), l.wait(addr(0), now))
	}
	now = now.Add(2 * time.Minute) // all are full again and make room
	if left := l.take(addr(200), now); left != 9 || len(l.buckets) != 1 {
		t.Fatalf("%d left, %d buckets", left, len(l.buckets))
	}
}

func TestNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7/32",
		"::ffff:192.0.2.7":     "192.0.2.7/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
	} {
		if got := network(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s is counted by %s, want %s", addr, got, want)
		}
	}
	if got := network(netip.Addr{}); got.IsValid() {
		t.Errorf("no address is counted by %v", got)
	}
}

func TestDecodeBounds(t *testing.T) {
	long := strings.Repeat("x", maxOffer)
	for _, c := range []struct {
		frame string
		ok    bool
	}{
		{`{"type":"publish","offer":"` + long + `","slots":{"0":"screen"}}`, true},
		{`{"type":"publish","offer":"` + long + `x","slots":{"0":"screen"}}`, false},
		{`{"type":"publish","offer":"x","slots":{}}`, false},
		{`{"type":"publish","offer":"x"}`, false},
		{`{"type":"publish","slots":{"0":"screen"}}`, false},
		{`{"type":"publish","offer":"x","slots":{"0":"window"}}`, false},
		{`{"type":"publish","offer":"x","slots":{"":"audio"}}`, false},
		{`{"type":"publish","offer":"x","slots":{"` + strings.Repeat("m", 65) + `":"audio"}}`, false},
		{`{"type":"publish","offer":"x","slots":{"1":"audio","2":"audio","3":"audio","4":"audio","5":"audio","6":"audio","7":"audio","8":"audio","9":"audio"}}`, false},
		{`{"type":"publish","offer":"x","slots":["screen"]}`, false},
		{`{"type":"publish","offer":7,"slots":{"0":"screen"}}`, false},
		{`{"type":"status"}`, false},
		{`{"type":"status","frozen":null}`, false},
		{`{"type":"status","frozen":"yes"}`, false},
		{`{"type":"status","frozen":false}`, true},
		{`{"type":"remove"}`, false},
		{`{"type":"remove","peer":"` + strings.Repeat("p", 65) + `"}`, false},
		{`{"type":"join"}`, false},
		{`{"type":"join","code":"1","ticket":"2"}`, false},
		{`{"type":"join","code":"1","offer":"x"}`, false},
		{`{"type":"join","code":"1","slots":{"0":"screen"}}`, false},
		{`{"type":"join","code":"1"}`, true},
		{`{"type":"join","room":" \u202e "}`, false},
		{`{"type":"join","link":"x"}`, true},
		{`{"type":"join","link":"x","code":"1"}`, false},
		{`{"type":"join","link":"` + strings.Repeat("x", 65) + `"}`, false},
		{`{"type":"join","code":"1","pin":"1234"}`, true},
		{`{"type":"join","code":"1","pin":"１２ 3-4"}`, true},
		{`{"type":"join","code":"1","pin":"123"}`, false},
		{`{"type":"join","code":"1","pin":"123456789"}`, false},
		{`{"type":"join","code":"1","pin":1234}`, false},
		{`{"type":"settings"}`, false},
		{`{"type":"settings","pin":null}`, false},
		{`{"type":"settings","pin":""}`, true},
		{`{"type":"settings","pin":"12a4"}`, false},
		{`{"type":"settings","name":"` + strings.Repeat("x", 65) + `"}`, false},
		{`{"type":"settings","capacity":-1}`, false},
		{`{"type":"settings","capacity":1000001}`, false},
		{`{"type":"settings","capacity":0}`, true},
		{`{"type":"settings","starts":-1}`, false},
		{`{"type":"settings","starts":2592000001}`, false},
		{`{"type":"settings","starts":2592000000}`, true},
		{`{"type":"settings","waiting":"yes"}`, false},
		{`{"type":"rotate"}`, false},
		{`{"type":"rotate","code":false}`, false},
		{`{"type":"rotate","link":true}`, true},
		{`{"type":"admit","peer":"p"}`, false},
		{`{"type":"admit","allow":true}`, false},
		{`{"type":"admit","allow":true,"all":true,"peer":"p"}`, false},
		{`{"type":"admit","allow":false,"peer":"` + strings.Repeat("p", 65) + `"}`, false},
		{`{"type":"admit","allow":false,"peer":"p"}`, true},
		{`{"type":"hello","version":"1"}`, false},
		{`{"type":"hello","version":1,"name":"` + strings.Repeat("x", 65) + `"}`, false},
		{`{"type":"hello","version":1,"resume":"` + strings.Repeat("x", maxTicket+1) + `"}`, false},
		{`{"type":"open","ticket":"` + strings.Repeat("x", maxTicket+1) + `"}`, false},
		{`{"type":"create","ticket":"` + strings.Repeat("x", maxTicket+1) + `"}`, false},
		{`{"type":"ping","code":5}`, true}, // no field of ping
		{`{"type":"ping","id":9007199254740991}`, true},
		{`{"type":"ping","id":9007199254740992}`, false},
		{`{"type":"ping","id":1.5}`, false},
		{`{"type":"ping"} {}`, false},
		{`null`, false},
	} {
		_, _, _, bad := decode([]byte(c.frame))
		if (bad == nil) != c.ok {
			t.Errorf("%.90s: %v", c.frame, bad)
		}
		if bad != nil && bad.Code() != CodeBadMessage {
			t.Errorf("%.90s: %v", c.frame, bad)
		}
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int{
		-time.Second: 0, 0: 0, 1: 1, time.Second: 1, time.Second + 1: 2,
	} {
		if got := seconds(d); got != want {
			t.Errorf("%v: %d", d, got)
		}
	}
}

func TestErrorFrame(t *testing.T) {
	tries := 0
	got := string(errorFrame(7, &Error{code: CodeUnknown, tries: &tries}))
	if want := `{"type":"error","re":7,"code":"code_unknown","tries":0}`; got != want {
		t.Errorf("got %s", got)
	}
	e := refuseFor(CodeServerBusy, "because", 1500*time.Millisecond)
	if got, want := string(errorFrame(0, e)), `{"type":"error","code":"server_busy","wait":2,"reason":"because"}`; got != want {
		t.Errorf("got %s", got)
	}
	if e.Error() != "server_busy: because" || refuse(CodeAuth, "").Error() != "auth" {
		t.Errorf("%v", e)
	}
	if got := plain("a\x1b[2J\n" + strings.Repeat("b", 999)); strings.ContainsAny(got, "\x1b\n") || len(got) != maxReason {
		t.Errorf("%q", got)
	}
}

func FuzzDecode(f *testing.F) {
	for kind := range verbs {
		f.Add([]byte(`{"type":"` + kind + `","id":1,"version":1,"code":"123456","offer":"x","slots":{"0":"audio"},"peer":"p","frozen":true,"key":"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk","group":"","name":"n","request":"a","allow":true,"caster":"c","off":{"from":"20:00","to":"07:00"}}`))
		f.Add([]byte(`{"type":"` + kind + `","name":"n","waiting":true,"locked":false,"pin":"1234","capacity":9,"starts":1000,"link":true}`))
		f.Add([]byte(`{"type":"` + kind + `","link":"x","pin":"１２３４","peer":"p","all":false,"allow":true}`))
		f.Add([]byte(`{"type":"` + kind + `","token":"e30.e30.c2ln","ticket":""}`))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		id, v, m, bad := decode(frame)
		if (bad == nil) != (m != nil) || id > maxRequest {
			t.Fatalf("id %d, message %v, error %v", id, m, bad)
		}
		if bad != nil {
			if bad.Code() != CodeBadMessage || !json.Valid(errorFrame(id, bad)) {
				t.Fatalf("error %v", bad)
			}
			return
		}
		if v.legal == 0 || m.check() != "" {
			t.Fatalf("%T passed once and is %q the second time", m, m.check())
		}
	})
}

func FuzzNormaliseCode(f *testing.F) {
	for _, input := range []string{"123456", "123-456-789", "１２３　４５６", "12345a", "", "\xff"} {
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, input string) {
		code, ok := normaliseCode(input)
		if !ok {
			return
		}
		if len(code) < minDigits || len(code) > maxDigits || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q became %q", input, code)
		}
		if again, ok := normaliseCode(code); !ok || again != code {
			t.Fatalf("%q became %q, and that %q", input, code, again)
		}
	})
}

func FuzzCleanName(f *testing.F) {
	for _, input := range []string{"Hall 1", "e\u0301", "\u202egpj", "教室", "\xff\xfe", strings.Repeat("x", 65)} {
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, input string) {
		name, ok := cleanName(input)
		if !ok {
			return
		}
		if again, ok := cleanName(name); !ok || again != name {
			t.Fatalf("%q became %q, and that %q", input, name, again)
		}
	})
}

func FuzzVerify(f *testing.F) {
	ours := tickets{testKey}
	f.Add(ours.sign(ticket{Kind: casterTicket}, time.Unix(0, 0), time.Hour))
	f.Add("a.b")
	f.Fuzz(func(t *testing.T, text string) {
		if tk, ok := ours.verify(text, casterTicket, time.Now()); ok {
			t.Fatalf("%q passed as %+v", text, tk)
		}
	})
}
