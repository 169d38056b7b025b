/** The functions that every PAC file brings along: ES3, because proxy resolvers of other programs run it as well. */
export const PAC_LIBRARY = `
// Lower case, without brackets and the dot at the end. Some browsers write IPv6 with brackets, some without.
function pvpnName(host) {
  var name = String(host).toLowerCase();
  if (name.charAt(0) === "[" && name.charAt(name.length - 1) === "]") return name.slice(1, -1);
  return name.charAt(name.length - 1) === "." ? name.slice(0, -1) : name;
}

// From scheme and authority alone: browsers leave out path and query, and all of https behind the host.
function pvpnPort(url) {
  var parts = /^([a-z][a-z0-9+.-]*):\\/\\/([^\\/?#]*)/i.exec(String(url));
  if (parts === null) return 0;
  var port = /:([0-9]+)$/.exec(parts[2].replace(/^.*@/, ""));
  if (port !== null && !/^\\[[^\\]]*$/.test(parts[2])) return Number(port[1]);
  var known = { http: 80, ws: 80, https: 443, wss: 443, ftp: 21 };
  var scheme = parts[1].toLowerCase();
  return known.hasOwnProperty(scheme) ? known[scheme] : 0;
}

// Groups of 16 bits, 2 of them for IPv4 (also where it is mapped into IPv6) and 8 for IPv6; null: a name.
function pvpnAddress(name) {
  var i, v4 = /^([0-9]{1,3})\\.([0-9]{1,3})\\.([0-9]{1,3})\\.([0-9]{1,3})$/.exec(name);
  if (v4 !== null) {
    for (i = 1; i <= 4; i++) if (Number(v4[i]) > 255) return null;
    return [v4[1] * 256 + Number(v4[2]), v4[3] * 256 + Number(v4[4])];
  }
  if (name.indexOf(":") < 0) return null;
  var tail = /^(.*:)([0-9.]+)$/.exec(name);
  if (tail !== null && tail[2].indexOf(".") >= 0) {
    var low = pvpnAddress(tail[2]);
    if (low === null) return null;
    name = tail[1] + low[0].toString(16) + ":" + low[1].toString(16);
  }
  var halves = name.split("::");
  if (halves.length > 2) return null;
  var head = halves[0] === "" ? [] : halves[0].split(":");
  var back = halves.length < 2 || halves[1] === "" ? [] : halves[1].split(":");
  var missing = 8 - head.length - back.length;
  if (halves.length < 2 ? missing !== 0 : missing < 1) return null;
  while (missing-- > 0) head.push("0");
  var all = head.concat(back), groups = [];
  for (i = 0; i < 8; i++) {
    if (!/^[0-9a-f]{1,4}$/.test(all[i])) return null;
    groups.push(parseInt(all[i], 16));
  }
  for (i = 0; i < 5; i++) if (groups[i] !== 0) return groups;
  return groups[5] === 65535 ? groups.slice(6) : groups;
}

function pvpnInside(address, prefix, bits) {
  if (address.length !== prefix.length) return false;
  for (var i = 0; i < prefix.length && bits > 0; i++, bits -= 16) {
    var shift = bits < 16 ? 16 - bits : 0;
    if (address[i] >> shift !== prefix[i] >> shift) return false;
  }
  return true;
}

function pvpnBelow(name, suffix) {
  return name.length > suffix.length && name.slice(-suffix.length) === suffix;
}

// The parts of a pattern between its asterisks, in their order.
function pvpnMatch(name, parts) {
  var first = parts[0], last = parts[parts.length - 1], at = first.length, end = name.length - last.length;
  if (end < at || name.slice(0, at) !== first || name.slice(end) !== last) return false;
  for (var i = 1; i < parts.length - 1; i++) {
    var found = name.indexOf(parts[i], at);
    if (found < 0 || found + parts[i].length > end) return false;
    at = found + parts[i].length;
  }
  return true;
}`
