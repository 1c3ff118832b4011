package config

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSize(t *testing.T) {
	tests := []struct {
		text string
		want Size
	}{
		{"0", 0}, {"17", 17}, {"17B", 17}, {"1kB", 1000}, {"1KiB", 1024}, {"1kib", 1024}, {"3 MB", 3e6},
		{"16MiB", 16 << 20}, {"2GB", 2e9}, {"1GiB", 1 << 30},
	}
	for _, test := range tests {
		var got Size
		if err := got.UnmarshalText([]byte(test.text)); err != nil || got != test.want {
			t.Errorf("%q is %d (%v), want %d", test.text, got, err, test.want)
		}
	}
}

func TestSizeRefuses(t *testing.T) {
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "1MiBs", "1 2", "9223372036854775808", "9223372036854775807KiB", "0x10", "1e3"} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestSizeReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64Min(0).Draw(t, "size"))
		var got Size
		if err := got.UnmarshalText([]byte(size.String())); err != nil || got != size {
			t.Fatalf("%d is written %s and read as %d (%v)", size, size, got, err)
		}
	})
}
