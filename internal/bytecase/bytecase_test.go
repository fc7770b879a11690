package bytecase

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the corpora")

// corpora are the fuzz targets that take such bytes, and what else stands in a file of theirs.
var corpora = map[string]string{
	"../stunwire/testdata/fuzz/FuzzParse":            "",
	"../portmux/testdata/fuzz/FuzzFirstBytes":        "",
	"../../sfu/udp/testdata/fuzz/FuzzInspect":        "",
	"../../sfu/transport/testdata/fuzz/FuzzCheck":    "",
	"../../sfu/transport/testdata/fuzz/FuzzHello":    "",
	"../../sfu/transport/testdata/fuzz/FuzzDatagram": "",
	"../../turn/testdata/fuzz/FuzzStream":            "byte('\\a')\n",
}

// TestCorpora: the table is in the corpus of every target; -update puts it there.
func TestCorpora(t *testing.T) {
	names := map[string]bool{}
	for _, c := range All() {
		if names[c.Name] {
			t.Errorf("%q is there twice", c.Name)
		}
		names[c.Name] = true
		if !c.Seed {
			continue
		}
		for dir, more := range corpora {
			path := filepath.Join(filepath.FromSlash(dir), "case_"+strings.NewReplacer(" ", "_", ",", "").Replace(c.Name))
			want := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n%s", c.Bytes, more)
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v; run go test ./internal/bytecase -update", path, got, err)
			}
		}
	}
}
