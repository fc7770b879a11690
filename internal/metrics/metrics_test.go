package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandlerServesWhatIsReadNow(t *testing.T) {
	count := 1.0
	h := Handler(func() []Sample {
		return []Sample{
			{Name: "viewers", Text: "viewers that are connected", Count: count},
			{Name: "drops_total", Text: "packets not forwarded", Label: "reason", Value: "write", Count: 7, Total: true},
		}
	})
	body := func() string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	for _, want := range []string{
		"castcode_viewers 1", "# TYPE castcode_viewers gauge", "go_goroutines", "process_cpu_seconds_total",
		`castcode_drops_total{reason="write"} 7`, "# TYPE castcode_drops_total counter",
	} {
		if !strings.Contains(body(), want) {
			t.Errorf("no line %q", want)
		}
	}
	count = 2
	if !strings.Contains(body(), "castcode_viewers 2") {
		t.Error("an old figure is served")
	}
}
