package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// setting is one field of a Config with what its tags say.
type setting struct {
	flag, env, group, help string
	oneof                  []string
	field                  reflect.Value
	tag                    reflect.StructTag
}

// settings lists the fields of cfg in the order of the struct.
func settings(cfg *Config) []setting {
	return appendSettings(nil, reflect.ValueOf(cfg).Elem(), "")
}

func appendSettings(list []setting, v reflect.Value, group string) []setting {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if _, ok := field.Tag.Lookup("embed"); ok {
			list = appendSettings(list, v.Field(i), field.Tag.Get("group"))
			continue
		}
		list = append(list, newSetting(v.Field(i), field.Tag, group))
	}
	return list
}

func newSetting(field reflect.Value, tag reflect.StructTag, group string) setting {
	s := setting{
		flag: tag.Get("name"), env: tag.Get("env"), group: group, help: tag.Get("help"),
		field: field, tag: tag,
	}
	if own := tag.Get("group"); own != "" {
		s.group = own
	}
	if words := tag.Get("oneof"); words != "" {
		s.oneof = strings.Split(words, ",")
	}
	return s
}

// secret reports whether the value must never be printed.
func (s setting) secret() bool { return s.field.Type() == reflect.TypeFor[Secret]() }

// standard returns the value of a profile where nothing is given, and whether
// it is the profile's own.
func (s setting) standard(profile Profile) (text string, ofProfile bool) {
	if text, ok := s.tag.Lookup(string(profile)); ok {
		return text, true
	}
	if _, ok := s.tag.Lookup("computed"); ok {
		return userCache(), false
	}
	return s.tag.Get("default"), false
}

// reset gives the field the value that it has where nothing is given.
func (s setting) reset(profile Profile) {
	s.field.SetZero()
	if text, _ := s.standard(profile); text != "" {
		// The tests hold that every default is a value of its type.
		_ = s.parse(text)
	}
}

// userCache is the default of the one setting whose default is computed. Where
// the system names no cache folder, as in a bare container, the data folder's
// neighbour has to do.
func userCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ".sheaf-cache"
	}
	return filepath.Join(dir, "sheaf")
}
