package bsonjson

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"time"
)

// The texts that stand for dates, object ids, UUIDs and bytes.

// uuidText is the length of a UUID as text.
const uuidText = len("00000000-0000-0000-0000-000000000000")

// parseDate reads an RFC 3339 date-time with any offset and returns
// milliseconds since 1970-01-01 UTC; digits after the third of a second's
// fraction are dropped. reason says what is wrong, and is empty where nothing is.
func parseDate(text []byte) (millis int64, reason string) {
	const shape = "must be an RFC 3339 date-time such as 2026-01-31T12:00:00Z"
	if len(text) < len("2006-01-02T15:04:05Z") || text[4] != '-' || text[7] != '-' ||
		text[10]|0x20 != 't' || text[13] != ':' || text[16] != ':' {
		return 0, shape
	}
	var fields [6]int
	for i, at := range [6][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}} {
		n, ok := decimal(text[at[0]:at[1]])
		if !ok {
			return 0, shape
		}
		fields[i] = n
	}
	year, month, day, hour, minute, second := fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]
	switch {
	case second == 60:
		return 0, "names a leap second, which a date cannot hold"
	case month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59:
		return 0, "is no date of the calendar"
	}
	fraction, rest := fractionMillis(text[19:])
	offset, ok := parseOffset(rest)
	if fraction < 0 || !ok {
		return 0, shape
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t.UnixMilli() + int64(fraction) - int64(offset)*60_000, ""
}

// fractionMillis reads an optional ".digits"; it returns -1 for a point alone.
func fractionMillis(text []byte) (millis int, rest []byte) {
	if len(text) == 0 || text[0] != '.' {
		return 0, text
	}
	i, unit := 1, 100
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		millis += int(text[i]-'0') * unit
		unit /= 10
	}
	if i == 1 {
		return -1, text
	}
	return millis, text[i:]
}

// parseOffset reads Z or ±hh:mm, in minutes.
func parseOffset(text []byte) (minutes int, ok bool) {
	if len(text) == 1 && text[0]|0x20 == 'z' {
		return 0, true
	}
	if len(text) != len("+00:00") || text[3] != ':' {
		return 0, false
	}
	hours, okHours := decimal(text[1:3])
	minutes, okMinutes := decimal(text[4:6])
	if !okHours || !okMinutes || hours > 23 || minutes > 59 {
		return 0, false
	}
	minutes += hours * 60
	switch text[0] {
	case '+':
		return minutes, true
	case '-':
		return -minutes, true
	}
	return 0, false
}

func decimal(text []byte) (n int, ok bool) {
	for _, c := range text {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// appendDate writes milliseconds since 1970 as RFC 3339 in UTC with three
// digits of fraction; years outside 0000 to 9999, which only others can have
// stored, take the expanded form of ISO 8601.
func appendDate(dst []byte, millis int64) []byte {
	t := time.UnixMilli(millis).UTC()
	year := t.Year()
	if year < 0 || year > 9999 {
		dst = append(dst, "+-"[b2i(year < 0)])
		dst = appendPadded(dst, abs(year), 6)
		return t.AppendFormat(dst, "-01-02T15:04:05.000Z")
	}
	_, month, day := t.Date()
	hour, minute, second := t.Clock()
	thousandths := t.Nanosecond() / 1_000_000
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	dst = appendTwo(append(dst, '-'), int(month))
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, 'T'), hour)
	dst = appendTwo(append(dst, ':'), minute)
	dst = appendTwo(append(dst, ':'), second)
	dst = appendTwo(append(dst, '.', byte('0'+thousandths/100)), thousandths%100)
	return append(dst, 'Z')
}

// appendTwo writes n, below 100, with two digits.
func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

func appendPadded(dst []byte, n, width int) []byte {
	text := strconv.Itoa(n)
	for range width - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' <= 9:
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// parseObjectID reads 24 hexadecimal digits.
func parseObjectID(text []byte) (id [12]byte, ok bool) {
	if len(text) != 24 {
		return id, false
	}
	_, err := hex.Decode(id[:], text)
	return id, err == nil
}

// parseUUID reads the canonical form of RFC 9562 in either case.
func parseUUID(text []byte) (id [16]byte, ok bool) {
	if len(text) != uuidText || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id, false
	}
	var digits [32]byte
	packed := append(digits[:0], text[:8]...)
	packed = append(packed, text[9:13]...)
	packed = append(packed, text[14:18]...)
	packed = append(packed, text[19:23]...)
	packed = append(packed, text[24:]...)
	_, err := hex.Decode(id[:], packed)
	return id, err == nil
}

func appendUUID(dst, id []byte) []byte {
	for i, part := range [5][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:16]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

// appendBase64Bytes decodes padded standard base64 (RFC 4648 section 4).
func appendBase64Bytes(dst, text []byte) ([]byte, bool) {
	for _, c := range text {
		if c == '\n' || c == '\r' { // the decoder skips them; a strict text has none
			return dst, false
		}
	}
	out, err := base64.StdEncoding.Strict().AppendDecode(dst, text)
	return out, err == nil
}
