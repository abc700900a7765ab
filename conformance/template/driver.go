// SPDX-License-Identifier: Apache-2.0

// The beginning of a driver for conformance/run, in Go. It checks the first 29 bytes of an archive; the rest is yours.
// README.md has the protocol, FORMAT.md the format.
//
//	go build -o mine driver.go
//	conformance/run --levels 0 ./mine
//
// It needs Go 1.18 or later, and no module before you import one, such as a zstd decoder.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

type refused struct{ code, message string }

func (r *refused) Error() string { return r.code + ": " + r.message }

// The runner counts it as skipped.
var errNotImplementedYet = errors.New("not implemented")

var first = append([]byte{
	0x28, 0xB5, 0x2F, 0xFD, 0x20, 0x00, 0x01, 0x00, 0x00, // an empty zstd frame
	0x5A, 0x2A, 0x4D, 0x18, 0x0C, 0x00, 0x00, 0x00, // a skippable frame of 12 bytes
}, "ROSETTAR"...)

// FORMAT.md, section 3.1.
func checkFirstBytes(data []byte) error {
	switch {
	case !bytes.HasPrefix(data, first) && !bytes.HasPrefix(first, data): // the file may end within these bytes
		return &refused{"envelope.unknown-magic", "this is no Rosettar archive"}
	case len(data) < 29:
		return &refused{"envelope.truncated", "the file ends within its header"}
	case data[25] != 1:
		return &refused{"envelope.unsupported-version", fmt.Sprintf("major version %d", data[25])}
	case data[27] != 0 || data[28] != 0:
		return &refused{"envelope.reserved", "reserved bytes are not zero"}
	}
	return nil
}

type entry struct {
	Path        string  `json:"path"`
	Kind        string  `json:"kind"` // file, directory or symlink
	Size        uint64  `json:"size"`
	Mode        uint32  `json:"mode"`
	Mtime       int64   `json:"mtime"`
	Nanoseconds uint32  `json:"nanoseconds"`
	SHA256      *string `json:"sha256"` // nil but for files
	Target      *string `json:"target"` // nil but for symbolic links
}

type stream struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Records uint64 `json:"records"`
	SHA256  string `json:"sha256,omitempty"`
	JSON    *[]any `json:"json,omitempty"` // of level 2; a pointer, as an empty list is to be printed
}

// Begin with newFacts: a slice or map that is nil would be printed as null, and a list must be one where it is empty, too.
type facts struct {
	Entries    []entry           `json:"entries"` // without reserved members
	Streams    []stream          `json:"streams"`
	Attributes map[string]string `json:"attributes"`
	Root       string            `json:"root"`
	Content    string            `json:"content,omitempty"`
}

func newFacts() *facts {
	return &facts{Entries: []entry{}, Streams: []stream{}, Attributes: map[string]string{}}
}

func list(path string, limits map[string]uint64) (*facts, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, 29))
	if err != nil {
		return nil, err
	}
	if err := checkFirstBytes(data); err != nil {
		return nil, err
	}
	// Section 11.1 goes on:
	// 2. the end of the file: the seek table's footer, and with it the place of INDX (section 9)
	// 3. INDX: head, digest, the rules of section 8 in the order of their table
	// 4. the seek table, rebuilt from the index and compared
	// 5. the manifest (section 4)
	// then, for one who lists: late Schemas (step 8); the pages of the entry table (step 6, section 7), and entry by
	// entry what only all of them together show (step 11); the last payload frame
	// found := newFacts() ...
	return nil, errNotImplementedYet
}

func parseLimits(arguments []string) (map[string]uint64, error) {
	limits := map[string]uint64{}
	for _, argument := range arguments {
		name, text, _ := strings.Cut(argument, "=")
		value, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, err
		}
		limits[name] = value
	}
	return limits, nil
}

func run(arguments []string) (any, error) {
	switch {
	case len(arguments) == 1 && arguments[0] == "about":
		return map[string]any{"name": "mine", "version": "0", "levels": []int{0}, "writer": false}, nil
	case len(arguments) >= 2 && arguments[0] == "list":
		limits, err := parseLimits(arguments[2:])
		if err != nil {
			return nil, err
		}
		found, err := list(arguments[1], limits)
		return found, err
	}
	return nil, errNotImplementedYet
}

func main() {
	answer, err := run(os.Args[1:])
	var no *refused
	switch {
	case err == nil:
		json.NewEncoder(os.Stdout).Encode(answer)
	case errors.As(err, &no):
		json.NewEncoder(os.Stdout).Encode(map[string]string{"code": no.code, "message": no.message})
		os.Exit(1)
	case errors.Is(err, errNotImplementedYet):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}
