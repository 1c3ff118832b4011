package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// Apply makes a Reader an option of kong.New: the grammar embeds a Config, and
// its flags are recorded for Read. The parser's own reading of the environment
// and of defaults is taken off them, as it stops at the first fault and quotes
// the values of faulty variables.
func (r *Reader) Apply(k *kong.Kong) error {
	options := []kong.Option{kong.PostBuild(r.takeFlags), kong.ValueFormatter(helpText)}
	for _, option := range options {
		if err := option.Apply(k); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) takeFlags(k *kong.Kong) error {
	for _, flag := range k.Model.Flags {
		if len(flag.Tag.Envs) > 0 {
			flag.PlaceHolder = placeholder(flag)
			flag.Mapper = recorder{flag: flag.Name, switches: flag.IsBool(), texts: r.flags}
			flag.Tag.Envs, flag.HasDefault, flag.Default = nil, false, ""
		}
	}
	return nil
}

// placeholder shows what a flag takes: its default, or a word for it.
func placeholder(flag *kong.Flag) string {
	if flag.HasDefault {
		return flag.Default
	}
	return strings.ToUpper(flag.Name[strings.LastIndexByte(flag.Name, '-')+1:])
}

// recorder notes the text of a flag; the last one wins.
type recorder struct {
	flag     string
	switches bool
	texts    map[string]string
}

// Decode takes the value that follows a flag; one that switches needs none.
func (m recorder) Decode(ctx *kong.DecodeContext, _ reflect.Value) error {
	if m.switches && ctx.Scan.Peek().Type != kong.FlagValueToken {
		m.texts[m.flag] = "true"
		return nil
	}
	token, err := ctx.Scan.PopValue("value")
	if err != nil {
		return err
	}
	m.texts[m.flag] = fmt.Sprint(token.Value)
	return nil
}

// IsBool tells the parser that the flag may stand alone.
func (m recorder) IsBool() bool { return m.switches }

// helpText is a line of --help with the name in the environment.
func helpText(value *kong.Value) string {
	if name := value.Tag.Get("env"); name != "" {
		return fmt.Sprintf("%s ($%s)", value.Help, name)
	}
	return value.Help
}
