-- Measurements near a position
-- For anyone with a position: what was measured within some arcseconds of it, nearest first.
-- survey: lsst
-- param ra number deg: right ascension of the position, ICRS
-- param dec number deg from -90 to 90: its declination
-- param radius number arcsec from 0 to 648000 default 5: how far from it, the edge included
-- example: ra=150.1 dec=2.2
-- result: one row a measurement: its id, its object, time (MJD, TAI), band, difference flux and error (nJy), and its
--   distance (arcsec)
-- caveat: measurements of the Solar System have no object; a moving one passes a place once
-- cost: files and rows near the position
SELECT diaSourceId, diaObjectId, midpointMjdTai, band, psfFlux, psfFluxErr,
       angular_distance(ra, dec, $ra, $dec) * 3600 AS arcseconds
FROM lsst.DiaSource
WHERE cone(ra, dec, $ra, $dec, arcsec($radius))
ORDER BY arcseconds, diaSourceId
