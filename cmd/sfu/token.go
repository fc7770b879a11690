package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"castcode/internal/jointoken"
	"castcode/internal/tlsutil"
)

// token is the command `sfu token`: it makes join tokens and their keys. It needs no server.
type token struct {
	Make tokenMake `cmd:"" default:"withargs" help:"Make a join token and print it."`
	Keys tokenFile `cmd:"" help:"Make a key file, or put a new key into it or take one out."`
}

func tokenCommand() kong.Option {
	return kong.DynamicCommand("token", "Make join tokens, and keys for them.", "", &token{})
}

// keyFile says where keys are.
type keyFile struct {
	KeyFile string `placeholder:"FILE" help:"The key file. Default: CASTCODE_TOKEN_KEYS_FILE, else join.keys in the data directory."`
	Data    string `placeholder:"DIR" help:"The data directory, as for serve."`
}

func (k *keyFile) path(env func(string) (string, bool)) string {
	if k.KeyFile != "" {
		return k.KeyFile
	}
	if path, _ := env(envName("token-keys-file")); path != "" && k.Data == "" {
		return path
	}
	dir := k.Data
	if dir == "" {
		dir, _ = env(envName("data"))
	}
	if dir == "" {
		dir = dataDir(env)
	}
	return filepath.Join(dir, keysFile)
}

// tokenMake is `sfu token`.
type tokenMake struct {
	keyFile
	Room     string        `required:"" placeholder:"NAME" help:"The room, by name or id."`
	Role     string        `default:"viewer" enum:"caster,encoder,viewer,display,guest" help:"caster, encoder, viewer, display or guest (viewer or display)."`
	Name     string        `placeholder:"NAME" help:"How the bearer is shown. Without it, as it wants."`
	For      time.Duration `default:"2h" placeholder:"TIME" help:"How long the token lets in, 24h at most."`
	Stay     time.Duration `placeholder:"TIME" help:"After how long the bearer loses its place, 24h at most. Without it, never."`
	Viewers  int           `placeholder:"N" help:"For casters: how many viewers and displays the room takes."`
	Bitrate  int           `placeholder:"N" help:"For viewers and displays: the most that pictures take, in bit/s."`
	Width    int           `placeholder:"N" help:"For viewers and displays: the widest picture."`
	Height   int           `placeholder:"N" help:"For viewers and displays: the highest picture."`
	ID       string        `placeholder:"TEXT" help:"Its id, by which it can be revoked. Made when absent."`
	Issuer   string        `default:"castcode" help:"As --token-issuer of the server."`
	Audience string        `default:"castcode" help:"As --token-audience of the server."`
	URL      string        `placeholder:"URL" help:"Of the server: print the link of the page as well, with the token in it."`
}

// Run is called by kong.
func (m *tokenMake) Run(s *surroundings) error {
	if m.For <= 0 || m.For > jointoken.MaxLife || m.Stay < 0 || m.Stay > jointoken.MaxLife {
		return &UsageError{"--for and --stay take a time up to 24h, such as 90m"}
	}
	path := m.path(s.env)
	keys, err := readKeys(path, "")
	if err != nil {
		return fmt.Errorf("cannot use %s: %s\n  hint: make it with: sfu token keys", path, cause(err))
	}
	now := time.Now()
	c := jointoken.Claims{
		ID: m.ID, Room: m.Room, Role: jointoken.Role(m.Role), Name: m.Name, Viewers: m.Viewers, Bitrate: m.Bitrate,
		Width: m.Width, Height: m.Height, Expires: now.Add(m.For),
	}
	if c.ID == "" {
		c.ID = strings.ToLower(rand.Text()[:16])
	}
	if m.Stay > 0 {
		c.Until = now.Add(m.Stay)
	}
	text, err := keys.Sign(c, m.Issuer, m.Audience, now)
	if err != nil {
		return &UsageError{err.Error()}
	}
	if _, err := fmt.Fprintln(s.stdout, text); err != nil {
		return err
	}
	if m.URL == "" {
		return nil
	}
	link, err := linkOf(m.URL, c.Role, text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.stdout, link)
	return err
}

// linkOf is where a bearer goes by browser. The token stands in the fragment, which no server and no proxy sees.
func linkOf(base string, role jointoken.Role, text string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", &UsageError{"--url is the address of the server, such as https://cast.example.org"}
	}
	page := map[jointoken.Role]string{
		jointoken.Caster: "/", jointoken.Viewer: "/w", jointoken.Guest: "/w", jointoken.Display: "/d",
	}[role]
	if page == "" {
		return "", &UsageError{"an encoder has no page; it takes the token as bearer"}
	}
	return strings.TrimSuffix(u.Scheme+"://"+u.Host, "/") + page + "#t=" + text, nil
}

// tokenFile is `sfu token keys`.
type tokenFile struct {
	keyFile
	Alg    string `default:"HS256" enum:"HS256,EdDSA" help:"HS256, or EdDSA: then a server that has the public keys alone can check tokens and not make them."`
	Remove string `placeholder:"KID" help:"Take this key out instead. Tokens that it has signed are refused from then on."`
}

// Run is called by kong.
func (f *tokenFile) Run(s *surroundings) error {
	path := f.path(s.env)
	data, err := tlsutil.ReadPrivate(path, jointoken.MaxKeyFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	said := "removed key " + f.Remove
	if f.Remove != "" {
		data, err = jointoken.RemoveKey(data, f.Remove)
	} else {
		var kid string
		data, kid, err = jointoken.AddKey(data, f.Alg)
		said = "new key " + kid + " (" + f.Alg + "), which signs from now on"
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := writePrivate(path, data); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s: %s\n", path, said)
	return err
}

// writePrivate replaces a file at once, mode 0600: a server that reads it meanwhile sees the old or the new one.
func writePrivate(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // it is made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone when all went well
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
