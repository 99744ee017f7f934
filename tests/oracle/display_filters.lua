-- Says which frames each display filter takes, all filters in one pass over a capture.
--   tshark -q -r CAPTURE -X lua_script:display_filters.lua -X lua_script1:FILTERS
-- FILTERS is a file with one filter per line. Prints "line-number frame-number" for each match, or "line-number !" and
-- the reason where Wireshark refuses the filter.
local path = ...
local line = 0
for filter in io.lines(path) do
  line = line + 1
  local own = line
  local ok, tap = pcall(Listener.new, "frame", filter)
  if ok then
    function tap.packet(pinfo)
      print(own .. " " .. pinfo.number)
    end
  else
    print(own .. " ! " .. tostring(tap))
  end
end
