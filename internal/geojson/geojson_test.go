package geojson_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/geojson"
)

func TestCheck(t *testing.T) {
	tests := []struct{ geometry, want string }{
		{`{"type": "Point", "coordinates": [1.5, 2.5]}`, ``},
		{`{"type": "Point", "coordinates": [1.5, 2.5, 300.5]}`, ``},
		{`{"type": "LineString", "coordinates": [[1.5, 2.5], [3.5, 4.5]]}`, ``},
		{`{"type": "MultiPolygon", "coordinates": [[[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]]}`, ``},
		{`{"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1.5, 2.5]}, {"type": "GeometryCollection", "geometries": []}]}`, ``},
		{`{}`, `/type geo`},
		{`{"type": "Circle", "radius/m": 5}`, `/radius~1m unknown-field, /type geo`},
		{`{"type": 5}`, `/type geo`},
		{`{"type": "Point"}`, `/coordinates geo`},
		{`{"type": "Point", "coordinates": [181.5, -91.5, 0.5, 0.5]}`, `/coordinates/0 geo, /coordinates/1 geo, /coordinates geo`},
		{`{"type": "Point", "coordinates": ["a", 1.5]}`, `/coordinates/0 geo`},
		{`{"type": "LineString", "coordinates": [[1.5, 2.5], 5]}`, `/coordinates/1 geo`},
		{`{"type": "LineString", "coordinates": [[1.5, 2.5]]}`, `/coordinates geo`},
		{`{"type": "Polygon", "coordinates": [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.5]]]}`, `/coordinates/0 geo`},
		{`{"type": "GeometryCollection", "geometries": [{"type": "Point"}, 5]}`, `/geometries/0/coordinates geo, /geometries/1 geo`},
		{`{"type": "GeometryCollection"}`, `/geometries geo`},
		{strings.Repeat(`{"type": "GeometryCollection", "geometries": [`, 60) + strings.Repeat(`]}`, 60),
			strings.Repeat(`/geometries/0`, 50) + ` geo`},
	}
	for _, test := range tests {
		var geometry bson.Raw
		if err := bson.UnmarshalExtJSON([]byte(test.geometry), false, &geometry); err != nil {
			t.Fatalf("%s: %v", test.geometry, err)
		}
		var got []string
		for _, f := range geojson.Check(geometry) {
			got = append(got, f.Pointer+" "+f.Code)
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%.100s: %q; want %q", test.geometry, got, test.want)
		}
	}
}
