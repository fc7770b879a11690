package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// trust makes the browsers that use home as their home directory trust the certificate authority in the PEM file:
// it goes into the store in which Chromium on Linux looks, the NSS database of the user.
func trust(home, file string) error {
	dir := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return trustIn(dir, file)
}

// trustIn makes an NSS database in the directory, which for Firefox is its profile, with the certificate authority in
// the PEM file.
func trustIn(dir, file string) error {
	for _, args := range [][]string{
		{"-N", "-d", "sql:" + dir, "--empty-password"},
		{"-A", "-d", "sql:" + dir, "-n", "castcode test CA", "-t", "C,,", "-i", file},
	} {
		if out, err := exec.Command("certutil", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("certutil %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}
