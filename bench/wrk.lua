-- Sends prepared requests over keep-alive connections, each once (or round and round: "cycle"), for so
-- many seconds; then lets what is in flight end, so that what was answered is known exactly.
-- Arguments: file, seconds, connections, "once" or "cycle".
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment_t; int clock_gettime(int, moment_t *);")
local moment = ffi.new("moment_t")

local function now()
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.s) + tonumber(moment.ns) / 1e9
end

-- The name stays in SNI and Host; the socket goes to loopback.
function wrk.resolve(_, service)
  wrk.addrs = wrk.lookup(os.getenv("BENCH_ADDRESS"), service)
end

local thread

function setup(started)
  thread = started
end

local NEVER_MILLISECONDS = 3600 * 1000
local letters, spare, cycle, closing

local function read(path)
  local found, file = {}, assert(io.open(path, "rb"))
  local size = file:read(8)
  while size do
    found[#found + 1] = file:read(tonumber(size))
    size = file:read(8)
  end
  file:close()
  return found
end

function init(arguments)
  letters, cycle = read(arguments[1]), arguments[4] == "cycle"
  spare = tonumber(arguments[3])
  sent, first, last = 0, now(), 0
  closing = first + tonumber(arguments[2])
end

function request()
  sent = sent + 1
  return letters[(sent - 1) % #letters + 1]
end

-- Called before each request: on a new connection, and when the answer before has come.
function delay()
  last = now()
  local exhausted = not cycle and sent + spare > #letters
  return (exhausted or last > closing) and NEVER_MILLISECONDS or 0
end

function done(summary, latency)
  io.write(string.format(
    '\n{"sent": %d, "answered": %d, "refused": %d, "broken": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    thread:get("sent"), summary.requests - summary.errors.status, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    thread:get("last") - thread:get("first"),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
