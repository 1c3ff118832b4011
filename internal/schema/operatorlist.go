package schema

const (
	runsScripts = "it runs JavaScript in the database"
	writes      = "it writes, and an aggregate only reads"
	looksInside = "it looks into the database itself, and an aggregate only at documents"
)

// refusedNames are the stages and operators of MongoDB that no pipeline may
// have, and why.
var refusedNames = map[string]string{
	"$where": runsScripts, "$function": runsScripts, "$accumulator": runsScripts,
	"$out": writes, "$merge": writes,
	"$changeStream": looksInside, "$collStats": looksInside, "$currentOp": looksInside, "$indexStats": looksInside,
	"$listLocalSessions": looksInside, "$listSessions": looksInside, "$planCacheStats": looksInside,
	"$near": "MongoDB does not take it in $match; the stage $geoNear sorts by distance", "$nearSphere": "MongoDB does not take it in $match; the stage $geoNear sorts by distance",
}

// accumulatorNames are those of $group.
var accumulatorNames = []string{
	"$addToSet", "$avg", "$bottom", "$bottomN", "$count", "$first", "$firstN", "$last", "$lastN", "$max", "$maxN", "$median", "$mergeObjects",
	"$min", "$minN", "$percentile", "$push", "$stdDevPop", "$stdDevSamp", "$sum", "$top", "$topN",
}

// windowNames are those of $setWindowFields.
var windowNames = append([]string{
	"$covariancePop", "$covarianceSamp", "$denseRank", "$derivative", "$documentNumber", "$expMovingAvg", "$integral", "$linearFill",
	"$locf", "$rank", "$shift",
}, accumulatorNames...)

// expressionNames are the operators that compute a value.
var expressionNames = []string{
	"$abs", "$acos", "$acosh", "$add", "$allElementsTrue", "$and", "$anyElementTrue", "$arrayElemAt", "$arrayToObject", "$asin", "$asinh",
	"$atan", "$atan2", "$atanh", "$avg", "$binarySize", "$bitAnd", "$bitNot", "$bitOr", "$bitXor", "$bsonSize", "$ceil", "$cmp", "$concat",
	"$concatArrays", "$cond", "$convert", "$cos", "$cosh", "$dateAdd", "$dateDiff", "$dateFromParts", "$dateFromString", "$dateSubtract",
	"$dateToParts", "$dateToString", "$dateTrunc", "$dayOfMonth", "$dayOfWeek", "$dayOfYear", "$degreesToRadians", "$divide", "$eq", "$exp",
	"$filter", "$first", "$firstN", "$floor", "$getField", "$gt", "$gte", "$hour", "$ifNull", "$in", "$indexOfArray", "$indexOfBytes",
	"$indexOfCP", "$isArray", "$isNumber", "$isoDayOfWeek", "$isoWeek", "$isoWeekYear", "$last", "$lastN", "$let", "$literal", "$ln", "$log",
	"$log10", "$lt", "$lte", "$ltrim", "$map", "$max", "$maxN", "$median", "$mergeObjects", "$meta", "$millisecond", "$min", "$minN",
	"$minute", "$mod", "$month", "$multiply", "$ne", "$not", "$objectToArray", "$or", "$percentile", "$pow", "$radiansToDegrees", "$rand",
	"$range", "$reduce", "$regexFind", "$regexFindAll", "$regexMatch", "$replaceAll", "$replaceOne", "$reverseArray", "$round", "$rtrim",
	"$second", "$setDifference", "$setEquals", "$setField", "$setIntersection", "$setIsSubset", "$setUnion", "$sin", "$sinh", "$size",
	"$slice", "$sortArray", "$split", "$sqrt", "$stdDevPop", "$stdDevSamp", "$strLenBytes", "$strLenCP", "$strcasecmp", "$substr",
	"$substrBytes", "$substrCP", "$subtract", "$sum", "$switch", "$tan", "$tanh", "$toBool", "$toDate", "$toDecimal", "$toDouble", "$toInt",
	"$toLong", "$toLower", "$toObjectId", "$toString", "$toUpper", "$trim", "$trunc", "$tsIncrement", "$tsSecond", "$type", "$unsetField",
	"$week", "$year", "$zip",
}
