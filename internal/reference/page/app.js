// The API reference: reads the OpenAPI document of the service and shows it.
// All text goes in as text, never as markup.
"use strict";

const methods = ["get", "post", "put", "patch", "delete"];
const serviceTag = "_service";

async function main() {
  const state = document.getElementById("state");
  try {
    const response = await fetch("openapi.json", {headers: {Accept: "application/json"}});
    if (response.status === 401) throw new Error("it is for callers with a key or token; SHEAF_AUTH_PUBLIC_DOCS=true shows it to anybody");
    if (!response.ok) throw new Error(`the service answered ${response.status}`);
    const page = reference(await response.json());
    document.getElementById("contents").replaceChildren(...page.contents);
    document.getElementById("reference").replaceChildren(...page.sections);
    state.hidden = true;
  } catch (error) {
    state.setAttribute("role", "alert");
    state.className = "error";
    state.textContent = `The OpenAPI document cannot be shown: ${error.message}`;
    return;
  }
  document.getElementById("filter").addEventListener("input", event => filter(event.target.value));
  window.addEventListener("hashchange", open);
  open();
}

// el makes an element. Strings among the children become text nodes.
function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== ""));
  return element;
}

function reference(api) {
  const groups = byTag(api);
  const contents = [], sections = [];
  if (api.info && api.info.description) sections.push(el("p", {}, api.info.description));
  for (const tag of api.tags || []) {
    const operations = groups.get(tag.name) || [];
    contents.push(contentsOf(tag, operations));
    sections.push(section(api, tag, operations));
  }
  contents.push(el("p", {class: "tag"}, el("a", {href: "#problems"}, "Problems")));
  sections.push(problems(api));
  return {contents, sections};
}

function byTag(api) {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths || {})) {
    for (const method of methods) {
      const operation = item[method];
      if (!operation) continue;
      const tag = (operation.tags || [serviceTag])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push({path, method, operation, parameters: [...(item.parameters || []), ...(operation.parameters || [])]});
    }
  }
  return groups;
}

function title(tag) {
  return tag.name === serviceTag ? "Service" : tag.name;
}

function anchor(...parts) {
  return parts.map(encodeURIComponent).join("-");
}

function contentsOf(tag, operations) {
  const entries = operations.map(o => el("li", {"data-filter": `${tag.name} ${o.operation.summary} ${o.method} ${o.path}`.toLowerCase()},
    el("a", {href: "#" + encodeURIComponent(anchor("op", o.operation.operationId))}, o.operation.summary)));
  return el("div", {"data-group": ""},
    el("p", {class: "tag"}, el("a", {href: "#" + encodeURIComponent(anchor("tag", tag.name))}, title(tag))), el("ul", {}, entries));
}

function section(api, tag, operations) {
  const heading = anchor("tag", tag.name);
  return el("section", {id: heading, "aria-labelledby": heading + "-title"},
    el("h2", {id: heading + "-title"}, title(tag)),
    tag.description ? el("p", {}, tag.description) : null,
    operations.map(o => operation(api, o)),
    schemas(api, operations));
}

function operation(api, o) {
  const {method, path} = o;
  return el("details", {id: anchor("op", o.operation.operationId)},
    el("summary", {}, el("span", {class: "method " + method}, method.toUpperCase()), " ", el("code", {}, path), " ",
      el("span", {class: "about"}, o.operation.summary || "")),
    el("div", {},
      o.operation.description ? el("p", {}, o.operation.description) : null,
      parameters(o.parameters),
      body(api, o.operation.requestBody),
      responses(api, o.operation.responses),
      example(api, o)));
}

function table(columns, rows) {
  return el("div", {class: "scroll"}, el("table", {},
    el("thead", {}, el("tr", {}, columns.map(column => el("th", {scope: "col"}, column)))),
    el("tbody", {}, rows.map(row => el("tr", {}, row.map(cell => el("td", {}, cell)))))));
}

function parameters(list) {
  if (list.length === 0) return null;
  return [el("h4", {}, "Parameters"), table(["Name", "In", "Type", "Meaning"], list.map(p => [
    el("code", {}, p.name), p.in, [typeOf(p.schema), p.required ? ", required" : ""], [p.description || "", " ", rules(p.schema)]]))];
}

function body(api, request) {
  if (!request) return null;
  return [el("h4", {}, "Body"), el("p", {}, request.required ? "" : "Optional. ", contentText(request.content))];
}

// contentText names the media types of a body and what they hold.
function contentText(content) {
  const out = [];
  for (const [media, {schema}] of Object.entries(content || {})) {
    if (out.length > 0) out.push("; ");
    out.push(el("code", {}, media), ": ", schemaText(schema));
  }
  return out;
}

function schemaText(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return el("a", {href: "#" + encodeURIComponent(anchor("schema", name))}, name);
  }
  if (schema.oneOf) return schema.oneOf.flatMap((each, i) => i === 0 ? [schemaText(each)] : [" or ", schemaText(each)]);
  if (schema.type === "array") return ["array of ", schemaText(schema.items)];
  if (schema.properties && schema.properties.data) {
    return ["{data: ", schemaText(schema.properties.data), schema.properties.page ? ", page: {next}}" : "}"];
  }
  return typeOf(schema);
}

function resolve(api, value) {
  if (!value || !value.$ref) return value || {};
  return value.$ref.slice(2).split("/").reduce((node, token) => node && node[token.replaceAll("~1", "/").replaceAll("~0", "~")], api) || {};
}

function responses(api, list) {
  return [el("h4", {}, "Answers"), table(["Status", "Meaning", "Headers", "Body"], Object.entries(list || {}).map(([status, reference]) => {
    const response = resolve(api, reference);
    const code = codesOf(response);
    return [status, response.description || "",
      Object.keys(response.headers || {}).flatMap((name, i) => [i === 0 ? "" : ", ", el("code", {}, name)]),
      code.length > 0 ? code.flatMap((each, i) => [i === 0 ? "" : ", ", problemLink(each)]) : contentText(response.content)];
  }))];
}

// codesOf returns the problem codes that an answer can have.
function codesOf(response) {
  const content = (response.content || {})["application/problem+json"];
  const narrowed = ((content && content.schema.allOf) || []).find(each => each.properties && each.properties.code);
  if (!narrowed) return [];
  const code = narrowed.properties.code;
  return code.const ? [code.const] : code.enum || [];
}

function problemLink(code) {
  return el("a", {href: "problems/" + encodeURIComponent(code)}, el("code", {}, code));
}

// schemas shows the components that the operations of a tag refer to.
function schemas(api, operations) {
  const names = new Set();
  collect(operations.map(o => [o.operation.requestBody, o.operation.responses]), names);
  names.delete("Problem");
  if (names.size === 0) return null;
  return [el("h3", {}, "Schemas"), [...names].sort().map(name => el("details", {id: anchor("schema", name)},
    el("summary", {}, el("code", {}, name)), el("div", {}, schemaTable(resolve(api, {$ref: "#/components/schemas/" + name})))))];
}

function collect(node, names) {
  if (Array.isArray(node)) {
    node.forEach(each => collect(each, names));
  } else if (node && typeof node === "object") {
    const prefix = "#/components/schemas/";
    if (typeof node.$ref === "string" && node.$ref.startsWith(prefix)) names.add(node.$ref.slice(prefix.length));
    Object.values(node).forEach(each => collect(each, names));
  }
}

function schemaTable(schema) {
  const rows = [];
  fields(schema, "", rows);
  return [schema.description ? el("p", {}, schema.description) : null,
    rows.length > 0 ? table(["Field", "Type", "Rules", "Meaning"], rows) : null,
    schema.additionalProperties === false ? null : el("p", {}, "Other fields are kept as they are.")];
}

// fields adds a row for each field at any depth.
function fields(schema, prefix, rows) {
  for (const [name, field] of Object.entries(schema.properties || {})) {
    if (isRefusal(field)) continue;
    const path = prefix + name;
    const required = (schema.required || []).includes(name);
    rows.push([el("code", {}, path), typeOf(field), [required ? "required" : "", required && rules(field) ? "; " : "", rules(field)], field.description || ""]);
    let inner = field, at = path;
    while (inner && inner.items) {
      inner = inner.items;
      at += "[]";
    }
    fields(inner, at + ".", rows);
  }
}

// isRefusal reports whether a schema admits nothing.
function isRefusal(schema) {
  return Boolean(schema.not) && Object.keys(schema.not).length === 0;
}

function typeOf(schema) {
  if (!schema) return "any";
  if (schema.oneOf) return `one of ${schema.oneOf.length} forms`;
  const types = [schema.type || "any"].flat();
  if (types.includes("array") && schema.items) {
    return types.map(type => type === "array" ? `array of ${typeOf(schema.items)}` : type).join(" or ");
  }
  return types.join(" or ") + (schema.format ? ` (${schema.format})` : "");
}

// ruleNames are the keywords that are shown, and the words for them.
const ruleNames = {
  minimum: "at least", maximum: "at most", minLength: "characters at least", maxLength: "characters at most",
  minItems: "items at least", maxItems: "items at most", pattern: "pattern", default: "default", enum: "one of",
};

function rules(schema) {
  const out = [];
  for (const [keyword, words] of Object.entries(ruleNames)) {
    const value = schema && schema[keyword];
    // The bounds of 64 bits say no more than the type does.
    if (value === undefined || typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER) continue;
    out.push(`${words} ${keyword === "enum" ? value.map(each => JSON.stringify(each)).join(", ") : JSON.stringify(value)}`);
  }
  if (schema && schema.uniqueItems) out.push("items differ");
  if (schema && schema.readOnly) out.push("kept by the service");
  return out.join("; ");
}

function problems(api) {
  const rows = Object.entries((api.components || {}).responses || {}).map(([code, response]) => {
    const narrowed = response.content["application/problem+json"].schema.allOf[1].properties;
    return [problemLink(code), String(narrowed.status.const), response.description];
  });
  return el("section", {id: "problems", "aria-labelledby": "problems-title"},
    el("h2", {id: "problems-title"}, "Problems"), table(["Code", "Status", "Meaning"], rows));
}

// example is a curl line to try the operation with.
function example(api, o) {
  const command = curl(api, o);
  const line = el("pre", {tabindex: "0", "aria-label": "curl line"}, el("code", {}, command));
  const out = [el("h4", {}, "Try it"), line];
  if (navigator.clipboard) {
    const copy = el("button", {type: "button"}, "Copy");
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(command);
        copy.textContent = "Copied";
      } catch {
        copy.textContent = "Not copied: the browser does not allow it";
      }
    });
    out.push(copy);
  }
  return out;
}

function curl(api, {path, method, operation, parameters: list}) {
  let url = location.origin + location.pathname.replace(/\/docs$/, "") + path;
  for (const p of list) {
    if (p.in === "path") url = url.replace(`{${p.name}}`, encodeURIComponent(String(sample(api, p.schema))));
  }
  let line = `curl -i${method === "get" ? "" : " -X " + method.toUpperCase()} ${quote(url)}`;
  const content = operation.requestBody && operation.requestBody.content;
  if (content) {
    const media = Object.keys(content)[0];
    line += ` \\\n  -H ${quote("Content-Type: " + media)} \\\n  -d ${quote(JSON.stringify(sample(api, content[media].schema)))}`;
  }
  return line;
}

// quote makes one word of a POSIX shell.
function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const formatSamples = {
  "date-time": "2026-01-31T12:00:00.000Z", uuid: "01890a5d-ac96-774b-bcce-b302099a8057", email: "ada@example.com",
  uri: "https://example.com", ipv4: "192.0.2.1", ipv6: "2001:db8::1", hostname: "example.com", decimal: "1.50",
};

// sample makes a value that a schema admits, where that is easy to tell.
function sample(api, given) {
  const schema = resolve(api, given);
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.oneOf) return sample(api, schema.oneOf[0]);
  switch ([schema.type].flat()[0]) {
    case "object": return sampleObject(api, schema);
    case "array": return Array.from({length: schema.minItems || 0}, () => sample(api, schema.items));
    case "integer": return Math.min(Math.max(1, schema.minimum || 0), schema.maximum === undefined ? 1 : schema.maximum);
    case "number": return Math.min(Math.max(1.5, schema.minimum === undefined ? 1.5 : schema.minimum), schema.maximum === undefined ? Infinity : schema.maximum);
    case "boolean": return true;
    case "string": return sampleText(schema);
  }
  return null;
}

function sampleObject(api, schema) {
  const required = schema.required || [];
  const writable = Object.entries(schema.properties || {}).filter(([, field]) => !field.readOnly && !isRefusal(field));
  let chosen = writable.filter(([name]) => required.includes(name));
  if (chosen.length === 0) chosen = writable.slice(0, 1);
  return Object.fromEntries(chosen.map(([name, field]) => [name, sample(api, field)]));
}

function sampleText(schema) {
  if (schema.pattern === "^[0-9a-fA-F]{24}$") return "65a000000000000000000001";
  if (schema.contentEncoding === "base64") return "aGVsbG8=";
  const text = formatSamples[schema.format] || "text";
  return text.padEnd(schema.minLength || 0, "x").slice(0, schema.maxLength);
}

// filter hides the entries of the contents that do not hold the text.
function filter(text) {
  const wanted = text.trim().toLowerCase();
  for (const group of document.querySelectorAll("[data-group]")) {
    let shown = 0;
    for (const entry of group.querySelectorAll("[data-filter]")) {
      entry.hidden = !entry.dataset.filter.includes(wanted);
      if (!entry.hidden) shown++;
    }
    group.hidden = shown === 0;
  }
}

// open unfolds what the address names.
function open() {
  let name;
  try {
    name = decodeURIComponent(location.hash.slice(1));
  } catch {
    return; // no address that this page has made
  }
  const target = document.getElementById(name);
  if (!target) return;
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView();
}

main();
