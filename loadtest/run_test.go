package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"castcode/loadtest/naive"
	"castcode/loadtest/stream"
)

// foreign starts a server that is not ours.
func foreign(t *testing.T) *httptest.Server {
	t.Helper()
	n, err := naive.New(true)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(n)
	t.Cleanup(func() {
		s.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// run loads a foreign server.
func run(t *testing.T, ctx context.Context, changes ...func(*Options)) *Report {
	t.Helper()
	s := foreign(t)
	o := Defaults()
	o.WHIP, o.WHEP = s.URL+"/whip/{room}", s.URL+"/whep/{room}"
	o.Viewers, o.Duration, o.Bitrate, o.JoinRate = 5, 2*time.Second, 800_000, 0
	for _, c := range changes {
		c(&o)
	}
	r, err := Run(ctx, o, Surroundings{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// dump is a report for a test that failed.
func dump(r *Report) string {
	var b strings.Builder
	_ = r.WriteTable(&b)
	return b.String()
}

func TestAForeignServerWithEachCodec(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, c := range []stream.Codec{stream.VP8, stream.VP9, stream.H264, stream.AV1} {
		t.Run(c.String(), func(t *testing.T) {
			r := run(t, context.Background(), func(o *Options) { o.Codec, o.Rooms, o.Viewers = c, 2, 4 })
			v := r.Viewers
			if v.Joined != 4 || v.Seen != 4 || v.Failed+v.Reconnects+v.Refusals != 0 || r.Media.Foreign != 0 || r.Media.Missing > 0 {
				t.Error(dump(r))
			}
			if r.Delay.Count < 4*40 || r.Delay.P50 > 50 || r.Joins["live"].Count != 4 || r.Media.CasterAsked == 0 {
				t.Error(dump(r))
			}
			if !r.OK() {
				t.Error("failed:", dump(r))
			}
		})
	}
}

func TestWhatIsLostIsAskedForAgain(t *testing.T) {
	r := run(t, context.Background(), func(o *Options) { o.Loss, o.LossBurst = 0.05, 1 })
	if r.Media.LossRaw < 2 || r.Media.LossRaw > 8 || r.Media.Nacks == 0 || r.Media.SelfLost == 0 || r.Media.Loss > r.Media.LossRaw/2 {
		t.Error(dump(r))
	}
}

func TestWithoutRepairLossStays(t *testing.T) {
	r := run(t, context.Background(), func(o *Options) { o.Loss, o.Repair, o.FailIf = 0.05, false, []string{"loss>1%"} })
	if r.Media.Nacks != 0 || r.Media.Loss < 2 || r.OK() || r.Media.Missing == 0 {
		t.Error(dump(r))
	}
}

func TestViewersComeAndGo(t *testing.T) {
	r := run(t, context.Background(), func(o *Options) { o.Churn, o.Storm, o.Duration = 4, 3, 4*time.Second })
	if r.Viewers.Asked != 8 || r.Viewers.Seen != 8 || r.Viewers.Returns == 0 || r.Viewers.Reconnects != 0 || r.Joins["live"].Count < int64(8+r.Viewers.Returns/2) {
		t.Error(dump(r))
	}
}

func TestTheEndOfTheContextGivesTheReportSoFar(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	begun := time.Now()
	r := run(t, ctx, func(o *Options) { o.Duration = time.Hour })
	if !r.Interrupted || r.Viewers.Seen != 5 || len(r.Samples) == 0 || time.Since(begun) > 10*time.Second {
		t.Error(dump(r))
	}
}

func TestNobodyIsThere(t *testing.T) {
	s := foreign(t)
	o := Defaults()
	o.WHEP, o.Viewers, o.JoinRate, o.Duration = s.URL+"/whep/nobody", 2, 0, 5*time.Second
	r, err := Run(context.Background(), o, Surroundings{})
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() || r.Viewers.Joined != 0 || r.Viewers.Refusals < 2 || len(r.Reasons) != 1 {
		t.Error(dump(r))
	}
	for text := range r.Reasons {
		if !strings.Contains(text, "409") || !strings.Contains(text, "nobody casts") {
			t.Errorf("says %q", text)
		}
	}
	o.WHEP, o.WHIP = "http://127.0.0.1:1/x", "http://127.0.0.1:1/y"
	if _, err := Run(context.Background(), o, Surroundings{}); err == nil || !strings.Contains(err.Error(), "casting") {
		t.Errorf("of no server: %v", err)
	}
}

func TestReportsSayAll(t *testing.T) {
	r := run(t, context.Background(), func(o *Options) { o.Title, o.Token = `<script>"&`, "hush-hush" })
	var page, data bytes.Buffer
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&data); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, want := range []string{"&lt;script&gt;", "<svg", "Frame age", "prefers-color-scheme: dark", "Live picture", "</html>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<script", "http://", "https://", "NaN", "Inf", "ZgotmplZ", "hush-hush", "(no value)"} {
		if strings.Contains(text, never) {
			t.Errorf("the page has %q", never)
		}
	}
	var back Report
	if err := json.Unmarshal(data.Bytes(), &back); err != nil || back.Viewers != r.Viewers || len(back.Samples) != len(r.Samples) || back.Metrics["loss"] != r.Media.Loss {
		t.Errorf("JSON: %v, %+v", err, back.Viewers)
	}
	if strings.Contains(data.String(), "hush-hush") || len(back.Metrics) != len(Metrics) {
		t.Error("JSON has a secret, or lacks metrics")
	}
	// A report of nothing can be written too.
	for _, empty := range []*Report{{}, {Samples: []Sample{{}}, Verdicts: []Verdict{{}}}} {
		var b bytes.Buffer
		if err := empty.WriteHTML(&b); err != nil || strings.Contains(b.String(), "NaN") || dump(empty) == "" {
			t.Errorf("of nothing: %v", err)
		}
	}
}
