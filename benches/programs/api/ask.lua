-- Asks for the paths that are in a file, one after another: wrk --script=ask.lua URL -- FILE
-- Its last line has: answers, failures, duration, median and 99th percentile of the delays, the last three in microseconds.

local requests, last = {}, 0

function init(args)
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("result %d %d %d %d %d\n", summary.requests, failures, summary.duration, latency:percentile(50), latency:percentile(99)))
end
