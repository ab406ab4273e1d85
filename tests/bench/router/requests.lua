-- Requests for 1,000 hosts in turn, made before the run so that the generator does not pay for them. PATH and CLOSE come as globals.
local requests = {}
local n = 0
local path = os.getenv("BENCH_PATH") or "/"
local headers = os.getenv("BENCH_CLOSE") and "Connection: close\r\n" or ""
function init()
  for i = 0, 999 do
    requests[i + 1] = "GET " .. path .. " HTTP/1.1\r\nHost: app" .. i .. ".localhost\r\n" .. headers .. "\r\n"
  end
end
function request()
  n = n % 1000 + 1
  return requests[n]
end
