-- Objects of a field that were seen in a time window only
-- For what came and went: objects near a position, all of whose measurements lie within a window of time.
-- survey: lsst
-- param ra number deg: right ascension of the middle, ICRS
-- param dec number deg from -90 to 90: its declination
-- param radius number arcsec from 0 to 648000 default 3600: how far from the middle, the edge included
-- param start number d: begin of the window (MJD, TAI), itself included
-- param stop number d: end of the window (MJD, TAI), itself included
-- example: ra=150.1 dec=2.2 start=61137.5 stop=61138.5
-- result: one row an object: its id, its measurements inside the window and in all, first and last time (MJD, TAI)
-- caveat: an object of which the archive has no older measurement may be older all the same; measurements beyond the
--   radius do not count
-- cost: files and rows in the field, of all times
SELECT diaObjectId,
       count(DISTINCT diaSourceId) FILTER (WHERE midpointMjdTai BETWEEN $start AND $stop) AS inside,
       count(DISTINCT diaSourceId) AS sources, min(midpointMjdTai) AS first_mjd_tai, max(midpointMjdTai) AS last_mjd_tai
FROM lsst.sources
WHERE cone(ra, dec, $ra, $dec, arcsec($radius)) AND diaObjectId <> 0
GROUP BY diaObjectId
HAVING min(midpointMjdTai) >= $start AND max(midpointMjdTai) <= $stop
ORDER BY diaObjectId
